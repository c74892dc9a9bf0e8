import type { Delivery, Job, JobOptions, QueuePlace } from '../../../jobs/types.ts';
import type { DeliveriesView, JobView } from './schemas.ts';

/** A job as the API shows it. `place` is where it stands in the queue, `now` milliseconds since 1970. */
export function jobView(job: Job, place: QueuePlace | undefined, now: number): JobView {
  const queued = job.state === 'queued' ? place : undefined;
  const etaSeconds = job.state === 'running' ? remainingSeconds(job, now) : queued?.etaSeconds;
  return {
    id: job.id,
    state: job.state,
    progress: job.progress,
    ...(job.stage !== undefined && { stage: job.stage }),
    ...(queued !== undefined && { queuePosition: queued.position }),
    ...(etaSeconds !== undefined && { etaSeconds }),
    ...(job.error !== undefined && { error: { code: job.error.code, message: job.error.message } }),
    ...(job.reason !== undefined && { reason: job.reason }),
    dialect: job.dialect,
    priority: job.priority,
    name: job.name,
    bytes: job.bytes,
    ...(job.audioSeconds !== undefined && { audioSeconds: job.audioSeconds }),
    attempts: job.attempts,
    options: optionsView(job.options),
    createdAt: isoTime(job.createdAt),
    ...(job.startedAt !== undefined && { startedAt: isoTime(job.startedAt) }),
    ...(job.finishedAt !== undefined && { finishedAt: isoTime(job.finishedAt) }),
    ...(job.expiresAt !== undefined && { expiresAt: isoTime(job.expiresAt) }),
  };
}

/** Below this much progress a guess at the rest would be noise. */
const LEAST_PROGRESS_FOR_ETA = 0.05;

function remainingSeconds({ startedAt, progress }: Job, now: number): number | undefined {
  if (startedAt === undefined || progress < LEAST_PROGRESS_FOR_ETA) return undefined;
  const elapsedMs = Math.max(0, now - startedAt);
  return Math.round((elapsedMs * (1 - progress)) / progress / 100) / 10;
}

function optionsView(options: JobOptions): JobView['options'] {
  return {
    model: options.model,
    task: options.task,
    ...(options.language !== undefined && { language: options.language }),
    word_timestamps: options.words,
    diarize: options.diarize,
    ...(options.speakers !== undefined && { num_speakers: options.speakers }),
    ...(options.minSpeakers !== undefined && { min_speakers: options.minSpeakers }),
    ...(options.maxSpeakers !== undefined && { max_speakers: options.maxSpeakers }),
    ...(options.prompt !== undefined && { initial_prompt: options.prompt }),
    ...(options.hotwords !== undefined && { hotwords: options.hotwords }),
    return_speaker_embeddings: options.speakerEmbeddings,
    strict: options.strict,
    encode: options.format === undefined,
  };
}

export function deliveriesView(deliveries: readonly Delivery[]): DeliveriesView {
  return {
    deliveries: deliveries.map(({ id, attempt, at, state, httpStatus, error }) => ({
      id,
      attempt,
      at: isoTime(at),
      state,
      ...(httpStatus !== undefined && { httpStatus }),
      ...(error !== undefined && { error }),
    })),
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
