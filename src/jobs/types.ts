import type { ErrorCode } from '../core/errors.ts';
import type { Seconds } from '../core/units.ts';
import type { Stage, TranscribeOptions, TranscriptPart } from '../pipeline/types.ts';
import type { Transcript } from '../transcript/types.ts';

export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** `interactive` goes before what waits (dictation, language detection), `batch` behind it. */
export type Priority = 'interactive' | 'normal' | 'batch';

/** `fetch`: the recording is being fetched from its URL; then as the pipeline says. */
export type JobStage = Stage | 'fetch';

/** Everything that the result of a job depends on beside the bytes. */
export interface JobOptions extends TranscribeOptions {
  /** A name that the catalogue knows, a folder, or `hub:org/name`. */
  readonly model: string;
  /** Headerless 16-bit little-endian samples, 16 kHz, mono. */
  readonly format?: 's16le';
}

/** What a dialect hands in: a file that was received, or the URL of one (exactly one of the two). */
export interface Submission {
  /** The jobs take ownership of the file: it is moved, and removed when it is not needed. */
  readonly file?: SpooledFile;
  /** http or https; fetched when the job runs, under the rules for addresses (`DIARIST_ALLOWED_HOSTS`). */
  readonly url?: string;
  readonly options: JobOptions;
  /** Who asks: the id of an API key, or `anonymous`. Jobs are shared and seen within one client only. */
  readonly client: string;
  /** The dialect it came by: `openai`, `asr`, `speakers`, `jobs`. */
  readonly dialect: string;
  /** Absent: chosen by the length of the recording. */
  readonly priority?: Priority;
  /** Runs to its end whoever waits; otherwise the job is cancelled when the last one who waits hangs up. */
  readonly durable: boolean;
  /** URL that is told how the job ended, and the secret that signs it. */
  readonly webhook?: Webhook;
  /** False starts a new job even where the same one runs or has a stored result. Default true. */
  readonly reuse?: boolean;
}

export interface Webhook {
  readonly url: string;
  /** Signing secret of the Standard Webhooks specification (`whsec_…`); the server's own where absent. */
  readonly secret?: string;
}

/** An upload that has been received in full, below the spool folder of the jobs. */
export interface SpooledFile {
  readonly path: string;
  /** As the client called it, without folders. Never logged. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface JobError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** A row of the jobs. Times are milliseconds since 1970. */
export interface Job {
  readonly id: string;
  readonly state: JobState;
  readonly client: string;
  readonly dialect: string;
  readonly priority: Priority;
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly options: JobOptions;
  readonly durable: boolean;
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  /** When the job and all that belongs to it go. */
  readonly expiresAt?: number;
  readonly stage?: JobStage;
  /** 0 to 1; never falls. */
  readonly progress: number;
  /** Length of the recording, once it is known. */
  readonly audioSeconds?: Seconds;
  /** Times the job was started; more than 1 after a crash. */
  readonly attempts: number;
  readonly error?: JobError;
  /** Why a job was cancelled: `client` (asked for), `disconnected`, `deleted`. */
  readonly reason?: string;
}

/** What happens to a job, numbered from 1 within it, so that a listener can go on where it left. */
export type JobEvent = { readonly seq: number; readonly at: number } & (
  | { readonly kind: 'state'; readonly state: JobState; readonly error?: JobError }
  | { readonly kind: 'progress'; readonly stage: JobStage; readonly progress: number; readonly etaSeconds?: Seconds }
  | { readonly kind: 'part'; readonly part: TranscriptPart }
);

export interface JobFilter {
  readonly client?: string;
  readonly states?: readonly JobState[];
  readonly dialect?: string;
  /** Id of the last job of the page before. Newest first. */
  readonly after?: string;
  readonly limit: number;
}

export interface AdmissionOptions {
  /** Accept the job beyond the limit of the queue. */
  readonly wait?: boolean;
  /**
   * Asked before a new job is made, and not where the submission joins one: what it throws is thrown, and what it returns
   * is disposed of when the job is a row.
   */
  readonly admit?: () => Promise<Disposable>;
  /** Aborts when the caller is gone, for whoever makes it wait to be admitted. */
  readonly signal?: AbortSignal;
}

export interface Submitted {
  readonly job: Job;
  /** `joined`: the same bytes and options run already; `stored`: their result is there. */
  readonly as: 'new' | 'joined' | 'stored';
}

export interface QueuePlace {
  /** Jobs that start before this one; 0 is next. */
  readonly position: number;
  /** Time until it starts, judged by the speed of this machine so far; absent until that was measured. */
  readonly etaSeconds?: Seconds;
}

export interface QueueCounts {
  readonly queued: number;
  readonly running: number;
  /** Most that may be queued. */
  readonly limit: number;
}

/** Something that happened to a job, for those who count: metrics and logs. */
export type JobChange = { readonly job: Job } & (
  | { readonly kind: 'accepted'; readonly as: Submitted['as'] }
  /** `queuedSeconds`: since it was accepted; at another attempt (`job.attempts`) that holds the earlier ones too. */
  | { readonly kind: 'started'; readonly queuedSeconds: Seconds }
  /** Goes back into the queue because its engine failed; it was not the job's last attempt. */
  | { readonly kind: 'requeued'; readonly error: JobError }
  /** `stageSeconds`: wall time of each stage since this server started the job; empty where it never ran. */
  | { readonly kind: 'ended'; readonly stageSeconds: Readonly<Partial<Record<JobStage, Seconds>>> }
);

/** What a client used. */
export interface Usage {
  readonly jobs: number;
  readonly audioSeconds: Seconds;
}

/** A delivery of a webhook: one attempt, or one that is still to come. */
export interface Delivery {
  /** `webhook-id` of the message; the same at every attempt. */
  readonly id: string;
  readonly attempt: number;
  readonly at: number;
  readonly state: 'pending' | 'delivered' | 'failed';
  readonly httpStatus?: number;
  readonly error?: string;
}

/**
 * Durable jobs. Every accepted job is a row before it runs, and ends once: succeeded, failed or cancelled.
 * `client` limits what is seen where it is given; a job of another client does not exist (undefined).
 */
export interface Jobs {
  /**
   * Accepts a job. Throws `queue_full` where the queue is full and `wait` is not set; with it the job is accepted beyond
   * the limit, because its caller waits (`/asr`). The file is gone from its place in any case.
   */
  submit(submission: Submission, admission?: AdmissionOptions): Promise<Submitted>;
  /**
   * Throws `queue_full` where {@link submit} would, for those who have work to do before that. What makes the submission
   * join a job is looked at only, so the embeddings of known speakers with a `reference` may still be empty.
   */
  assertRoom(submission: Omit<Submission, 'dialect' | 'durable'>): void;
  get(id: string, client?: string): Job | undefined;
  list(filter: JobFilter): { readonly jobs: readonly Job[]; readonly next?: string };
  /** Transcript of a succeeded job. */
  transcript(id: string, client?: string): Transcript | undefined;
  place(id: string): QueuePlace | undefined;
  counts(): QueueCounts;
  /**
   * Waits for the end of a job and is counted as one who waits. When the signal aborts it rejects with `cancelled`, and a
   * job that is not durable and that nobody else waits for is cancelled (`disconnected`).
   */
  wait(id: string, signal?: AbortSignal): Promise<Job>;
  /**
   * Events behind `after` (0: from the first), then new ones as they happen, until the job has ended or the signal aborts.
   * `attached` counts the listener as one who waits, as {@link wait} does.
   */
  events(id: string, options?: { after?: number; signal?: AbortSignal; attached?: boolean }): AsyncIterable<JobEvent>;
  /** Cancels a job that has not ended. False where it had. */
  cancel(id: string, client?: string): Promise<boolean>;
  /** Cancels where needed, and removes the job with everything that belongs to it: the bytes are gone afterwards. */
  delete(id: string, client?: string): Promise<boolean>;
  /** A new job for the same bytes, with these options instead of its own. Throws `input_gone` where they are not kept any more. */
  rerun(id: string, options: JobOptions, client?: string): Promise<Submitted | undefined>;
  deliveries(id: string, client?: string): readonly Delivery[];
  /** Calls the listener at every change; the function that is returned ends that. */
  onChange(listener: (change: JobChange) => void): () => void;
  /** Transcribed recordings since a time (milliseconds since 1970), those of deleted jobs among them. */
  usage(client: string, since: number): Usage;
  /** Length of the recordings that a client has in the queue or running; estimated from their size until it is known. */
  pendingAudioSeconds(client: string): Seconds;
  /** Folder below which uploads are spooled, on the same file system as the jobs. */
  readonly uploadFolder: string;
  /** Takes no more jobs; lets running ones finish within the time, parks the rest so that they go on at the next start. */
  close(graceSeconds: Seconds): Promise<void>;
}
