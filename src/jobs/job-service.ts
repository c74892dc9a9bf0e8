import { setTimeout as delay } from 'node:timers/promises';
import { DiaristError } from '../core/errors.ts';
import type { Seconds } from '../core/units.ts';
import type { Transcript } from '../transcript/types.ts';
import type { Attendance } from './attendance.ts';
import type { EventLog } from './event-log.ts';
import type { JobFolders } from './job-folders.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { RetentionSweeper } from './retention.ts';
import type { Runner } from './runner.ts';
import type { Scheduler } from './scheduling/scheduler.ts';
import type { JobDatabase } from './store/database.ts';
import type { JobRows, StoredJob } from './store/job-rows.ts';
import type { WebhookRows } from './store/webhook-rows.ts';
import { type Admission, scheduledJob } from './submission.ts';
import { afterServerLoss, hopelessAfter } from './suspicion.ts';
import type {
  AdmissionOptions,
  Delivery,
  Job,
  JobChange,
  JobEvent,
  JobFilter,
  JobOptions,
  Jobs,
  QueueCounts,
  QueuePlace,
  Submission,
  Submitted,
  Usage,
} from './types.ts';
import type { WebhookSender } from './webhooks/webhook-sender.ts';

/** An engine that does not let go of a deleted job for so long is left to its supervisor. */
const LET_GO_MS = 10_000;

export interface ServiceParts {
  readonly database: JobDatabase;
  readonly lock: Disposable;
  readonly rows: JobRows;
  readonly webhooks: WebhookRows;
  readonly folders: JobFolders;
  readonly log: EventLog;
  readonly lifecycle: Lifecycle;
  readonly admission: Admission;
  readonly attendance: Attendance;
  readonly scheduler: Scheduler;
  readonly runner: Runner;
  readonly sweeper: RetentionSweeper;
  readonly sender: WebhookSender;
  readonly queueLimit: number;
  readonly keepUploadsSeconds: Seconds;
  /** Lets go of connections. */
  closeNetwork(): Promise<void>;
}

/** The jobs of one data folder: the parts behind the port. */
export class JobService implements Jobs {
  readonly #parts: ServiceParts;
  #closing: Promise<void> | undefined;

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  get uploadFolder(): string {
    return this.#parts.folders.uploads;
  }

  async submit(submission: Submission, options: AdmissionOptions = {}): Promise<Submitted> {
    return await this.#parts.admission.submit(submission, options, () => this.#assertOpen());
  }

  assertRoom(submission: Omit<Submission, 'dialect' | 'durable'>): void {
    this.#parts.admission.assertRoomFor(submission);
  }

  get(id: string, client?: string): Job | undefined {
    return this.#parts.rows.find(id, client)?.job;
  }

  list(filter: JobFilter): { readonly jobs: readonly Job[]; readonly next?: string } {
    return this.#parts.rows.list(filter);
  }

  transcript(id: string, client?: string): Transcript | undefined {
    const stored = this.#parts.rows.find(id, client);
    return stored && this.#parts.rows.transcript(stored.seq);
  }

  place(id: string): QueuePlace | undefined {
    return this.#parts.scheduler.place(id);
  }

  counts(): QueueCounts {
    const { scheduler, queueLimit } = this.#parts;
    return { queued: scheduler.queued, running: scheduler.running, limit: queueLimit };
  }

  async wait(id: string, signal?: AbortSignal): Promise<Job> {
    const stored = this.#require(id);
    return isOpen(stored) ? await this.#parts.attendance.wait(id, signal) : stored.job;
  }

  async *events(
    id: string,
    options: { after?: number; signal?: AbortSignal; attached?: boolean } = {},
  ): AsyncGenerator<JobEvent, void, undefined> {
    const { attendance, log } = this.#parts;
    const stored = this.#require(id);
    const leave = options.attached && isOpen(stored) ? attendance.attend(id) : undefined;
    try {
      yield* log.follow(stored.seq, options.after ?? 0, options.signal);
    } finally {
      leave?.();
    }
  }

  async cancel(id: string, client?: string): Promise<boolean> {
    const stored = this.#parts.rows.find(id, client);
    return stored !== undefined && this.#cancel(stored, 'client');
  }

  /** Cancels a job that nobody waits for any more, unless somebody wanted it to run to its end. */
  deserted(id: string): void {
    const stored = this.#parts.rows.find(id);
    if (stored && !stored.job.durable) this.#cancel(stored, 'disconnected');
  }

  /** The job that a lost server left running as it waits now; undefined where it took too many servers with it. */
  afterServerLoss(stored: StoredJob): StoredJob | undefined {
    const { lifecycle } = this.#parts;
    const losses = afterServerLoss(stored);
    const error = hopelessAfter(losses);
    if (!error) return lifecycle.requeue(stored, losses);
    const ended = lifecycle.end(stored, { state: 'failed', error });
    if (ended) this.ended(ended);
    return undefined;
  }

  async delete(id: string, client?: string): Promise<boolean> {
    const { rows, database } = this.#parts;
    const stored = rows.find(id, client);
    if (!stored) return false;
    this.#cancel(stored, 'deleted');
    await this.remove(stored);
    database.scrub();
    return true;
  }

  /** Removes a job that has ended. First its row: a folder that nobody knows is removed at the next start at the latest. */
  async remove({ seq, job }: StoredJob): Promise<void> {
    const { rows, runner, folders, log } = this.#parts;
    await Promise.race([runner.settled(job.id), delay(LET_GO_MS, undefined, { ref: false })]);
    rows.delete(seq);
    log.close(seq);
    await folders.remove(job.id);
  }

  async rerun(id: string, options: JobOptions, client?: string): Promise<Submitted | undefined> {
    this.#assertOpen();
    const source = this.#parts.rows.find(id, client);
    return source && this.#parts.admission.rerun(source, options);
  }

  deliveries(id: string, client?: string): readonly Delivery[] {
    const stored = this.#parts.rows.find(id, client);
    return stored ? this.#parts.webhooks.ofJob(stored.seq) : [];
  }

  onChange(listener: (change: JobChange) => void): () => void {
    return this.#parts.lifecycle.onChange(listener);
  }

  usage(client: string, since: number): Usage {
    return this.#parts.rows.usage(client, since);
  }

  pendingAudioSeconds(client: string): Seconds {
    return this.#parts.scheduler.pendingAudioSeconds(client);
  }

  close(graceSeconds: Seconds): Promise<void> {
    this.#closing ??= this.#close(graceSeconds);
    return this.#closing;
  }

  /** Has a job that ended told to everyone, and what it does not need any more removed. */
  ended({ job }: StoredJob): void {
    const { scheduler, runner, attendance, sender } = this.#parts;
    scheduler.remove(job.id);
    attendance.ended(job.id, job);
    sender.wake();
    if (runner.isRunning(job.id)) runner.abort(job.id);
    else this.#tidy(job.id);
  }

  /** The engine has let go of a job. */
  settled(id: string): void {
    const { scheduler, rows } = this.#parts;
    scheduler.finished(id);
    const stored = rows.find(id);
    if (stored?.job.state === 'queued') scheduler.add(scheduledJob(stored));
    else this.#tidy(id);
  }

  /** What became of a job could not be stored: who waits hears it, and a retry finds the job when it runs again. */
  broken(id: string, error: DiaristError): void {
    this.#parts.attendance.ended(id, error);
  }

  #cancel(stored: StoredJob, reason: 'client' | 'disconnected' | 'deleted'): boolean {
    const ended = this.#parts.lifecycle.end(stored, { state: 'cancelled', reason });
    if (ended) this.ended(ended);
    return ended !== undefined;
  }

  #tidy(id: string): void {
    const { rows, folders, sweeper, keepUploadsSeconds } = this.#parts;
    const stored = rows.find(id);
    if (stored && isOpen(stored)) return;
    const removal = async () => {
      if (!stored) await folders.remove(id);
      else await folders.removeWork(id);
      if (stored && keepUploadsSeconds === 0) await sweeper.removeRecording(stored);
    };
    // What resists is removed by the sweep of the next start.
    removal().catch(() => {});
  }

  #require(id: string): StoredJob {
    const stored = this.#parts.rows.find(id);
    if (stored) return stored;
    throw new DiaristError('not_found', 'There is no such job; it may have expired or been deleted.');
  }

  #assertOpen(): void {
    if (this.#closing) throw shuttingDown();
  }

  async #close(graceSeconds: Seconds): Promise<void> {
    const { scheduler, attendance, runner, log, sweeper, sender, database, lock } = this.#parts;
    scheduler.stop();
    attendance.close(shuttingDown(), (id) => runner.isRunning(id));
    await Promise.race([runner.idle(), delay(graceSeconds * 1000, undefined, { ref: false })]);
    await Promise.race([runner.park(), delay(LET_GO_MS, undefined, { ref: false })]);
    attendance.close(shuttingDown(), () => false);
    log.closeAll();
    await sweeper.stop();
    await sender.close();
    await this.#parts.closeNetwork();
    database.scrub();
    database.close();
    lock[Symbol.dispose]();
  }
}

function isOpen({ job }: StoredJob): boolean {
  return job.state === 'queued' || job.state === 'running';
}

function shuttingDown(): DiaristError {
  return new DiaristError('shutting_down', 'The server is shutting down: try again in a moment, the job goes on then.');
}
