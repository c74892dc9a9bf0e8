import { once } from 'node:events';
import type { EventRows } from './store/event-rows.ts';
import type { JobEvent } from './types.ts';

/** Newest events of a job that listeners find in memory; who is further behind reads the table. */
const KEPT_IN_MEMORY = 64;
const READ_AT_ONCE = 100;

/** Listeners of one job. They keep a position only, so that a slow one costs no memory. */
class Channel extends EventTarget {
  readonly recent: JobEvent[] = [];
  listeners = 0;
  closed = false;

  wake(): void {
    this.dispatchEvent(new Event('change'));
  }
}

/** Tells listeners what happens to jobs: what is stored first, then what comes. */
export class EventLog {
  readonly #rows: EventRows;
  readonly #channels = new Map<number, Channel>();

  constructor(rows: EventRows) {
    this.#rows = rows;
  }

  /** Tells the listeners of an event that is stored. */
  publish(job: number, event: JobEvent): void {
    const channel = this.#channels.get(job);
    if (!channel) return;
    channel.recent.push(event);
    if (channel.recent.length > KEPT_IN_MEMORY) channel.recent.shift();
    channel.wake();
  }

  /** Sends the listeners of a job away: it is removed. */
  close(job: number): void {
    const channel = this.#channels.get(job);
    if (!channel) return;
    channel.closed = true;
    channel.wake();
  }

  closeAll(): void {
    for (const job of this.#channels.keys()) this.close(job);
  }

  /** Events of a job behind `after`, until its end, {@link close}, or the signal. */
  async *follow(job: number, after: number, signal?: AbortSignal): AsyncGenerator<JobEvent, void, undefined> {
    const channel = this.#join(job);
    let position = after;
    try {
      for (;;) {
        const events = this.#behind(channel, job, position);
        for (const event of events) {
          if (signal?.aborted) return;
          position = event.seq;
          yield event;
          if (isEnd(event)) return;
        }
        if (events.length > 0) continue;
        if (signal?.aborted || channel.closed || !this.#rows.isOpen(job)) return;
        await changed(channel, signal);
      }
    } finally {
      channel.listeners--;
      if (channel.listeners === 0) this.#channels.delete(job);
    }
  }

  #join(job: number): Channel {
    const channel = this.#channels.get(job) ?? new Channel();
    this.#channels.set(job, channel);
    channel.listeners++;
    return channel;
  }

  #behind({ recent, closed }: Channel, job: number, position: number): JobEvent[] {
    const [oldest] = recent;
    if (oldest && oldest.seq <= position + 1) return recent.filter(({ seq }) => seq > position);
    return closed ? [] : this.#rows.after(job, position, READ_AT_ONCE);
  }
}

async function changed(channel: Channel, signal: AbortSignal | undefined): Promise<void> {
  try {
    await once(channel, 'change', signal ? { signal } : {});
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

function isEnd(event: JobEvent): boolean {
  return event.kind === 'state' && event.state !== 'queued' && event.state !== 'running';
}
