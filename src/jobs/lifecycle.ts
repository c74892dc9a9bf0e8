import type { DiaristError } from '../core/errors.ts';
import type { Seconds } from '../core/units.ts';
import type { TranscriptPart } from '../pipeline/types.ts';
import type { Transcript } from '../transcript/types.ts';
import type { EventLog } from './event-log.ts';
import type { JobDatabase } from './store/database.ts';
import type { EventBody, EventRows } from './store/event-rows.ts';
import type { Crashes, Ending, JobRows, NewJob, StoredJob } from './store/job-rows.ts';
import type { WebhookRows } from './store/webhook-rows.ts';
import type { JobChange, JobEvent, JobStage, Webhook } from './types.ts';

/** What the outcome of a job is made of. */
export type Outcome =
  | { readonly state: 'succeeded'; readonly transcript: Transcript }
  | { readonly state: 'failed'; readonly error: DiaristError }
  | { readonly state: 'cancelled'; readonly reason: 'client' | 'disconnected' | 'deleted' };

export interface Retention {
  readonly keepUploadsSeconds: Seconds;
  readonly keepResultsSeconds: Seconds;
}

interface Stages {
  current?: JobStage;
  since: number;
  readonly seconds: Partial<Record<JobStage, Seconds>>;
}

/**
 * The changes of a job's state. Each is one transaction of the row and its event, and is told to listeners only after it
 * is stored; each happens only from the state it is meant for, so that a job ends once.
 */
export class Lifecycle {
  readonly #database: JobDatabase;
  readonly #rows: JobRows;
  readonly #events: EventRows;
  readonly #webhooks: WebhookRows;
  readonly #log: EventLog;
  readonly #retention: Retention;
  readonly #listeners = new Set<(change: JobChange) => void>();
  readonly #stages = new Map<number, Stages>();

  constructor(
    database: JobDatabase,
    tables: { readonly rows: JobRows; readonly events: EventRows; readonly webhooks: WebhookRows },
    log: EventLog,
    retention: Retention,
  ) {
    this.#database = database;
    this.#rows = tables.rows;
    this.#events = tables.events;
    this.#webhooks = tables.webhooks;
    this.#log = log;
    this.#retention = retention;
  }

  onChange(listener: (change: JobChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(change: JobChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch {
        // Who counts jobs must not be able to break one.
      }
    }
  }

  accept(created: NewJob, webhook: Webhook | undefined): StoredJob {
    const stored = this.#database.transaction(
      () => {
        const inserted = this.#rows.insert(created);
        if (webhook) this.#webhooks.add(inserted.seq, webhook);
        this.#events.append(inserted.seq, created.job.createdAt, { kind: 'state', state: 'queued' });
        return inserted;
      },
      { durable: true },
    );
    this.tell({ kind: 'accepted', as: 'new', job: stored.job });
    return stored;
  }

  /** The job as it runs now, or undefined where it was not waiting any more. */
  start(id: string): StoredJob | undefined {
    const at = Date.now();
    const stored = this.#rows.find(id);
    if (!stored) return undefined;
    const event = this.#database.transaction(() =>
      this.#rows.start(stored.seq, at)
        ? this.#events.append(stored.seq, at, { kind: 'state', state: 'running' })
        : undefined,
    );
    if (!event) return undefined;
    this.#stages.set(stored.seq, { since: at, seconds: {} });
    this.#log.publish(stored.seq, event);
    const running = this.#rows.find(id)!;
    this.tell({ kind: 'started', job: running.job, queuedSeconds: (at - stored.job.createdAt) / 1000 });
    return running;
  }

  progress(seq: number, event: Extract<EventBody, { kind: 'progress' }>, audioSeconds: Seconds | undefined): void {
    const at = Date.now();
    this.#enterStage(seq, event.stage, at);
    this.#append(seq, at, event, () => this.#rows.progress(seq, event.stage, event.progress, audioSeconds));
  }

  part(seq: number, part: TranscriptPart): void {
    this.#append(seq, Date.now(), { kind: 'part', part }, () => {});
  }

  /** Back into the queue: after a crash of the engine (`error`), or because the server closes. */
  requeue(stored: StoredJob, crashes: Crashes, error?: DiaristError): StoredJob | undefined {
    const { seq, job } = stored;
    const event = this.#database.transaction(() =>
      this.#rows.requeue(seq, crashes)
        ? this.#events.append(seq, Date.now(), { kind: 'state', state: 'queued' })
        : undefined,
    );
    if (!event) return undefined;
    this.#stages.delete(seq);
    this.#log.publish(seq, event);
    const requeued = this.#rows.find(job.id);
    if (requeued && error) this.tell({ kind: 'requeued', job: requeued.job, error: toJobError(error) });
    return requeued;
  }

  /** Ends a job that has not ended, with its result in the same transaction; undefined where it had. */
  end(stored: StoredJob, outcome: Outcome): StoredJob | undefined {
    const { seq, job } = stored;
    const at = Date.now();
    const ending: Ending = {
      state: outcome.state,
      at,
      expiresAt: at + Math.round(this.#retention.keepResultsSeconds * 1000),
      uploadUntil: at + Math.round(this.#retention.keepUploadsSeconds * 1000),
      ...(outcome.state === 'failed' && { error: toJobError(outcome.error) }),
      ...(outcome.state === 'cancelled' && { reason: outcome.reason }),
    };
    const event = this.#database.transaction(
      () => {
        if (outcome.state === 'succeeded') {
          this.#rows.progress(seq, 'merge', 1, outcome.transcript.duration);
        }
        if (!this.#rows.end(seq, ending)) return undefined;
        if (outcome.state === 'succeeded') {
          this.#rows.storeTranscript(seq, outcome.transcript);
          this.#rows.addUsage(job.client, at, outcome.transcript.duration);
        }
        // Who deletes a job knows that it is gone, and the webhook goes with it.
        if (outcome.state !== 'cancelled' || outcome.reason !== 'deleted') this.#webhooks.schedule(seq, at);
        const { error } = ending;
        return this.#events.append(seq, at, { kind: 'state', state: ending.state, ...(error && { error }) });
      },
      { durable: true },
    );
    if (!event) return undefined;
    const stages = this.#stages.get(seq);
    if (stages) leaveStage(stages, at);
    this.#stages.delete(seq);
    this.#log.publish(seq, event);
    const ended = this.#rows.find(job.id)!;
    this.tell({ kind: 'ended', job: ended.job, stageSeconds: stages?.seconds ?? {} });
    return ended;
  }

  #append(seq: number, at: number, body: EventBody, change: () => void): void {
    const event: JobEvent | undefined = this.#database.transaction(() => {
      // A sign of life of an engine that has not noticed yet that its job was cancelled.
      if (!this.#events.isOpen(seq)) return undefined;
      change();
      return this.#events.append(seq, at, body);
    });
    if (event) this.#log.publish(seq, event);
  }

  #enterStage(seq: number, stage: JobStage, at: number): void {
    const stages = this.#stages.get(seq);
    if (!stages || stages.current === stage) return;
    leaveStage(stages, at);
    stages.current = stage;
    stages.since = at;
  }
}

function leaveStage(stages: Stages, at: number): void {
  if (stages.current === undefined) return;
  stages.seconds[stages.current] = (stages.seconds[stages.current] ?? 0) + (at - stages.since) / 1000;
}

function toJobError({ code, message }: DiaristError): { code: DiaristError['code']; message: string } {
  return { code, message };
}
