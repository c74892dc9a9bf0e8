import { DiaristError } from '../../core/errors.ts';
import type { Jobs } from '../../jobs/types.ts';
import type { KeyLimits } from './api-keys.ts';

/** Throws `quota_exceeded` where a client has used up the audio of its day or month (UTC), or will with what is queued. */
export function checkQuota(jobs: Jobs, client: string, limits: KeyLimits): void {
  const now = new Date();
  const pending = jobs.pendingAudioSeconds(client);
  const check = (limit: number | undefined, since: number, period: string): void => {
    if (limit === undefined) return;
    const used = jobs.usage(client, since).audioSeconds + pending;
    if (used < limit) return;
    throw new DiaristError(
      'quota_exceeded',
      `This API key has used its ${limit} seconds of audio of this ${period}: wait for the next one, or ask for more.`,
    );
  };
  const midnight = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate());
  check(limits.audioSecondsPerDay, midnight, 'day');
  check(limits.audioSecondsPerMonth, Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1), 'month');
}
