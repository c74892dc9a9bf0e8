import { rm } from 'node:fs/promises';
import type { AddressRules } from '../core/address-rules.ts';
import { DiaristError, toDiaristError } from '../core/errors.ts';
import { assertAllowedAddress } from '../core/guarded-fetch.ts';
import type { Seconds } from '../core/units.ts';
import type { Attendance } from './attendance.ts';
import { type JobFolders, syncToDisk } from './job-folders.ts';
import { joinKey } from './join-key.ts';
import type { Lifecycle } from './lifecycle.ts';
import { estimateAudioSeconds, priorityFor, UNKNOWN_AUDIO_SECONDS } from './scheduling/audio-estimate.ts';
import type { Scheduler } from './scheduling/scheduler.ts';
import type { JobDatabase } from './store/database.ts';
import type { JobRows, NewJob, StoredJob } from './store/job-rows.ts';
import type { WebhookRows } from './store/webhook-rows.ts';
import { aloneUntil } from './suspicion.ts';
import type { AdmissionOptions, JobOptions, Priority, SpooledFile, Submission, Submitted, Webhook } from './types.ts';
import { isWebhookSecret } from './webhooks/webhook-secret.ts';

/** Callers who wait are accepted beyond the limit of the queue, up to so many times the limit: memory has an end. */
const WAITING_FACTOR = 16;

export interface AdmissionSettings {
  readonly queueLimit: number;
  readonly resultTtlSeconds: Seconds;
  readonly rules: AddressRules;
}

export interface AdmissionParts {
  readonly database: JobDatabase;
  readonly rows: JobRows;
  readonly webhooks: WebhookRows;
  readonly folders: JobFolders;
  readonly lifecycle: Lifecycle;
  readonly scheduler: Scheduler;
  readonly attendance: Pick<Attendance, 'expectArrival'>;
  newId(now: number): string;
  /** Tells the receivers of a webhook that joined a job which had ended. */
  wakeWebhooks(): void;
}

/** Accepts jobs: joins them to what is there, refuses what is too much, and makes rows of the rest. */
export class Admission {
  readonly #parts: AdmissionParts;
  readonly #settings: AdmissionSettings;

  constructor(parts: AdmissionParts, settings: AdmissionSettings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** See `Jobs.submit`; `assertOpen` throws where the jobs are closing. Whatever happens, the file is gone from its place afterwards. */
  async submit(
    submission: Submission,
    { wait = false, admit }: AdmissionOptions,
    assertOpen: () => void,
  ): Promise<Submitted> {
    const { file } = submission;
    try {
      assertOpen();
      const recording = recordingOf(submission);
      checkWebhook(submission.webhook, this.#settings.rules);
      if (submission.url !== undefined) assertAllowedAddress(new URL(submission.url), this.#settings.rules);
      const key = joinKey(recording, submission.options);
      const known = this.#join(submission, key);
      if (known) return known;
      this.#assertRoom(wait);
      using _admitted = await admit?.();
      if (file) await syncToDisk(file.path);
      assertOpen();
      // The same may have been accepted while this one waited and the disk was written.
      const meanwhile = this.#join(submission, key);
      if (meanwhile) return meanwhile;
      return { job: this.#accept(submission, key).job, as: 'new' };
    } finally {
      if (file) await rm(file.path, { force: true });
    }
  }

  /** See `Jobs.assertRoom`. */
  assertRoomFor(submission: Omit<Submission, 'dialect' | 'durable'>): void {
    const key = joinKey(recordingOf(submission), submission.options);
    if (!this.#known(submission, key)) this.#assertRoom(false);
  }

  /** A new job for the recording of another one. */
  rerun(source: StoredJob, options: JobOptions): Submitted {
    this.#assertRoom(false);
    const { job, url } = source;
    const hasRecording = this.#parts.folders.hasRecording(job.id);
    if (!hasRecording && url === undefined) {
      throw new DiaristError('input_gone', 'The recording of this job is not kept any more: send it again.');
    }
    const stored = this.#insert(
      {
        options,
        client: job.client,
        dialect: job.dialect,
        priority: job.priority,
        durable: true,
        name: job.name,
        bytes: job.bytes,
        sha256: job.sha256,
      },
      {
        joinKey: joinKey(url ?? job.sha256, options),
        estimatedSeconds: job.audioSeconds ?? source.estimatedSeconds,
        ...(url !== undefined && { url }),
      },
      (id) => (hasRecording ? this.#parts.folders.share(job.id, id) : this.#parts.folders.create(id)),
    );
    return { job: stored.job, as: 'new' };
  }

  #accept(submission: Submission, key: string): StoredJob {
    const { file, url, options, client, dialect, durable, webhook } = submission;
    const estimatedSeconds = file ? estimateAudioSeconds(file.path, file.bytes, options.format) : UNKNOWN_AUDIO_SECONDS;
    return this.#insert(
      {
        options,
        client,
        dialect,
        durable,
        priority: submission.priority ?? priorityFor(estimatedSeconds),
        name: file?.name ?? nameOf(url ?? ''),
        bytes: file?.bytes ?? 0,
        sha256: file?.sha256 ?? '',
      },
      { joinKey: key, estimatedSeconds, ...(url !== undefined && { url }) },
      (id) => (file ? this.#parts.folders.adopt(file.path, id) : this.#parts.folders.create(id)),
      webhook,
    );
  }

  /** Without a pause between the files and the row: what a crash leaves in between is a folder that nobody knows. */
  #insert(
    facts: Omit<NewJob['job'], 'id' | 'state' | 'createdAt' | 'progress' | 'attempts'> & { priority: Priority },
    origin: { joinKey: string; estimatedSeconds: Seconds; url?: string },
    place: (id: string) => void,
    webhook?: Webhook,
  ): StoredJob {
    const { lifecycle, folders, scheduler } = this.#parts;
    const createdAt = Date.now();
    const id = this.#parts.newId(createdAt);
    const job = { ...facts, id, state: 'queued', createdAt, progress: 0, attempts: 0 } as const;
    try {
      place(id);
      const stored = lifecycle.accept({ job, ...origin }, webhook);
      scheduler.add(scheduledJob(stored));
      return stored;
    } catch (error) {
      folders.discard(id);
      throw toDiaristError(error);
    }
  }

  /** The job that runs for the same content, or whose result is there. */
  #known(submission: Pick<Submission, 'client' | 'url' | 'reuse'>, key: string): StoredJob | undefined {
    if (submission.reuse === false) return undefined;
    return this.#parts.rows.openByContent(submission.client, key) ?? this.#stored(submission, key);
  }

  #join(submission: Submission, key: string): Submitted | undefined {
    const { database, rows, webhooks, lifecycle, attendance } = this.#parts;
    const { durable, webhook } = submission;
    const known = this.#known(submission, key);
    if (!known) return undefined;
    const open = known.job.finishedAt === undefined;
    if (open && !durable) attendance.expectArrival(known.job.id);
    const becomesDurable = open && durable && !known.job.durable;
    if (becomesDurable || webhook) {
      database.transaction(
        () => {
          if (becomesDurable) rows.makeDurable(known.seq);
          if (webhook) webhooks.add(known.seq, webhook);
          if (webhook && !open) webhooks.schedule(known.seq, Date.now());
        },
        { durable: true },
      );
    }
    if (webhook && !open) this.#parts.wakeWebhooks();
    const as = open ? 'joined' : 'stored';
    const job = { ...known.job, durable: known.job.durable || becomesDurable };
    lifecycle.tell({ kind: 'accepted', as, job });
    return { job, as };
  }

  #stored({ client, url }: Pick<Submission, 'client' | 'url'>, key: string): StoredJob | undefined {
    const ttlMs = this.#settings.resultTtlSeconds * 1000;
    // What is behind a URL may have changed.
    if (ttlMs === 0 || url !== undefined) return undefined;
    const now = Date.now();
    return this.#parts.rows.storedByContent(client, key, now - ttlMs, now);
  }

  #assertRoom(wait: boolean): void {
    const { queueLimit } = this.#settings;
    const limit = wait ? queueLimit * WAITING_FACTOR : queueLimit;
    if (this.#parts.scheduler.queued < limit) return;
    throw new DiaristError('queue_full', `The queue is full (${limit} jobs wait): try again in a minute.`);
  }
}

/** What the scheduler is told of a job. */
export function scheduledJob(stored: StoredJob): Parameters<Scheduler['add']>[0] {
  const { seq, job, estimatedSeconds } = stored;
  const alone = aloneUntil(stored);
  return {
    id: job.id,
    seq,
    client: job.client,
    priority: job.priority,
    model: job.options.model,
    audioSeconds: job.audioSeconds ?? estimatedSeconds,
    ...(alone !== undefined && { aloneUntil: alone }),
  };
}

/** What tells recordings apart: the hash of the bytes, or the URL that will be fetched. */
function recordingOf({ file, url }: { file?: SpooledFile; url?: string }): string {
  if (file && url === undefined) return file.sha256;
  if (!file && url !== undefined && URL.canParse(url)) return url;
  throw new DiaristError('invalid_request', 'Send either a file or the URL of one (http or https).', { param: 'url' });
}

function checkWebhook(webhook: Webhook | undefined, rules: AddressRules): void {
  if (!webhook) return;
  const url = URL.parse(webhook.url);
  if (!url)
    throw new DiaristError('invalid_request', 'The webhook must be a URL (http or https).', { param: 'webhook' });
  assertAllowedAddress(url, rules);
  if (webhook.secret === undefined || isWebhookSecret(webhook.secret)) return;
  throw new DiaristError('invalid_request', 'The secret of the webhook must be whsec_ and a key in base64.', {
    param: 'webhook_secret',
  });
}

/** Last part of the path of a URL, as a name for people. */
function nameOf(url: string): string {
  return new URL(url).pathname.split('/').findLast((part) => part !== '') ?? '';
}
