import { randomBytes } from 'node:crypto';

/**
 * Makes ids that sort by the time they were made, also those of one millisecond (UUID version 7, RFC 9562, without the
 * dashes), so that a page of a list can go on behind a job that was deleted meanwhile.
 */
export function createJobIds(): (nowMs: number) => string {
  let last = 0;
  let counter = 0;
  return (nowMs) => {
    counter = nowMs > last ? 0 : counter + 1;
    // 12 bits count within a millisecond; beyond them, and when the clock steps back, time is borrowed from the future.
    last = Math.max(last, nowMs) + (counter > 0xfff ? 1 : 0);
    if (counter > 0xfff) counter = 0;
    const random = randomBytes(8);
    random[0] = (random[0]! & 0x3f) | 0x80;
    const time = last.toString(16).padStart(12, '0');
    return `job_${time}7${counter.toString(16).padStart(3, '0')}${random.toString('hex')}`;
  };
}

/** True for what {@link createJobIds} makes: nothing else is ever removed from the folder of the jobs. */
export function isJobId(text: string): boolean {
  return /^job_[0-9a-f]{32}$/.test(text);
}
