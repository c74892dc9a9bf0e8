import type { Job } from '../types.ts';

/**
 * Body of a webhook in the shape of the Standard Webhooks specification (type, timestamp, data): what became of a job,
 * without its text and without the name of the file. The same at every attempt.
 */
export function jobMessage(job: Job): string {
  return JSON.stringify({
    type: `job.${job.state}`,
    timestamp: iso(job.finishedAt),
    data: {
      id: job.id,
      state: job.state,
      dialect: job.dialect,
      model: job.options.model,
      createdAt: iso(job.createdAt),
      startedAt: iso(job.startedAt),
      finishedAt: iso(job.finishedAt),
      expiresAt: iso(job.expiresAt),
      audioSeconds: job.audioSeconds,
      attempts: job.attempts,
      error: job.error,
      reason: job.reason,
    },
  });
}

function iso(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}
