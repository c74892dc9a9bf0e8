import type { ErrorCode } from '../../core/errors.ts';
import type { Seconds } from '../../core/units.ts';
import type { Transcript } from '../../transcript/types.ts';
import type { Job, JobError, JobFilter, JobOptions, JobStage, JobState, Priority, Usage } from '../types.ts';
import type { JobDatabase, Row, Statement } from './database.ts';

/** Crashes of the engine, and losses of the server, in a row without progress in between, and how far the job was then. */
export interface Crashes {
  readonly engineCrashes: number;
  readonly crashProgress: number;
  readonly serverLosses: number;
  readonly lossProgress: number;
}

/** A job with what only the jobs themselves need to know. */
export interface StoredJob extends Crashes {
  /** Order of arrival. */
  readonly seq: number;
  readonly job: Job;
  /** Where the recording comes from, where it was not uploaded. */
  readonly url?: string;
  /** The same for the same recording with the same options. */
  readonly joinKey: string;
  /** Length of the recording as its size makes it likely. */
  readonly estimatedSeconds: Seconds;
  /** At its last start it ran long enough to blame it where its server was lost. */
  readonly ranLong: boolean;
  /** When the upload goes; absent before the end and after it has gone. */
  readonly uploadUntil?: number;
}

export type NewJob = Omit<
  StoredJob,
  'seq' | keyof Crashes | 'ranLong' | 'uploadUntil' // set by what happens to it
>;

/** How a job ended. */
export interface Ending {
  readonly state: 'succeeded' | 'failed' | 'cancelled';
  readonly at: number;
  readonly expiresAt: number;
  readonly uploadUntil: number;
  readonly error?: JobError;
  readonly reason?: string;
}

const JOB = 'SELECT * FROM jobs';
const OPEN = `state IN ('queued', 'running')`;

/** The rows of the jobs, their transcripts and what clients used. */
export class JobRows {
  readonly #database: JobDatabase;
  readonly #insert: Statement;
  readonly #byId: Statement;
  readonly #open: Statement;
  readonly #openByContent: Statement;
  readonly #storedByContent: Statement;
  readonly #start: Statement;
  readonly #ranLong: Statement;
  readonly #requeue: Statement;
  readonly #progress: Statement;
  readonly #fetched: Statement;
  readonly #makeDurable: Statement;
  readonly #end: Statement;
  readonly #delete: Statement;
  readonly #transcript: Statement;
  readonly #storeTranscript: Statement;
  readonly #expired: Statement;
  readonly #expiredUploads: Statement;
  readonly #uploadGone: Statement;
  readonly #addUsage: Statement;
  readonly #usage: Statement;
  readonly #forgetUsage: Statement;

  constructor(database: JobDatabase) {
    this.#database = database;
    this.#insert = database.prepare(`
      INSERT INTO jobs (id, state, client, dialect, priority, name, url, bytes, sha256, options, join_key, durable,
        created_at, audio_seconds, estimated_seconds)
      VALUES (:id, 'queued', :client, :dialect, :priority, :name, :url, :bytes, :sha256, :options, :joinKey, :durable,
        :createdAt, :audioSeconds, :estimatedSeconds)
      RETURNING seq`);
    this.#byId = database.prepare(`${JOB} WHERE id = :id AND (:client IS NULL OR client = :client)`);
    this.#open = database.prepare(`${JOB} WHERE ${OPEN} ORDER BY seq`);
    this.#openByContent = database.prepare(
      `${JOB} WHERE client = :client AND join_key = :joinKey AND ${OPEN} ORDER BY seq DESC LIMIT 1`,
    );
    this.#storedByContent = database.prepare(
      `${JOB} WHERE client = :client AND join_key = :joinKey AND state = 'succeeded' AND finished_at > :since
         AND expires_at > :now ORDER BY seq DESC LIMIT 1`,
    );
    this.#start = database.prepare(
      `UPDATE jobs SET state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, :at),
         ran_long = 0 WHERE seq = :seq AND state = 'queued'`,
    );
    this.#ranLong = database.prepare("UPDATE jobs SET ran_long = 1 WHERE seq = :seq AND state = 'running'");
    this.#requeue = database.prepare(
      `UPDATE jobs SET state = 'queued', engine_crashes = :engineCrashes, crash_progress = :crashProgress,
         server_losses = :serverLosses, loss_progress = :lossProgress
       WHERE seq = :seq AND state = 'running'`,
    );
    this.#progress = database.prepare(
      `UPDATE jobs SET stage = :stage, progress = max(progress, :progress),
         audio_seconds = coalesce(:audioSeconds, audio_seconds) WHERE seq = :seq AND state = 'running'`,
    );
    this.#fetched = database.prepare(
      'UPDATE jobs SET bytes = :bytes, sha256 = :sha256, estimated_seconds = :estimatedSeconds WHERE seq = :seq',
    );
    this.#makeDurable = database.prepare('UPDATE jobs SET durable = 1 WHERE seq = :seq');
    this.#end = database.prepare(
      `UPDATE jobs SET state = :state, finished_at = :at, expires_at = :expiresAt, upload_until = :uploadUntil,
         error_code = :errorCode, error_message = :errorMessage, reason = :reason,
         progress = CASE :state WHEN 'succeeded' THEN 1 ELSE progress END
       WHERE seq = :seq AND ${OPEN}`,
    );
    this.#delete = database.prepare('DELETE FROM jobs WHERE seq = :seq');
    this.#transcript = database.prepare('SELECT body FROM transcripts WHERE job = :seq');
    this.#storeTranscript = database.prepare('INSERT INTO transcripts (job, body) VALUES (:seq, :body)');
    this.#expired = database.prepare(`${JOB} WHERE expires_at <= :now ORDER BY expires_at LIMIT 100`);
    this.#expiredUploads = database.prepare(`${JOB} WHERE upload_until <= :now ORDER BY upload_until LIMIT 100`);
    this.#uploadGone = database.prepare('UPDATE jobs SET upload_until = NULL WHERE seq = :seq');
    this.#addUsage = database.prepare(
      'INSERT INTO usage (client, at, audio_seconds) VALUES (:client, :at, :audioSeconds)',
    );
    this.#usage = database.prepare(
      `SELECT count(*) AS jobs, coalesce(sum(audio_seconds), 0) AS audio_seconds FROM usage
       WHERE client = :client AND at >= :since`,
    );
    this.#forgetUsage = database.prepare('DELETE FROM usage WHERE at < :before');
  }

  insert(created: NewJob): StoredJob {
    const { job, url, joinKey, estimatedSeconds } = created;
    const row = this.#insert.get({
      id: job.id,
      client: job.client,
      dialect: job.dialect,
      priority: job.priority,
      name: job.name,
      url: url ?? null,
      bytes: job.bytes,
      sha256: job.sha256,
      options: JSON.stringify(job.options),
      joinKey,
      durable: job.durable ? 1 : 0,
      createdAt: job.createdAt,
      audioSeconds: job.audioSeconds ?? null,
      estimatedSeconds,
    });
    const seq = Number(row!.seq);
    return { ...created, seq, engineCrashes: 0, crashProgress: 0, serverLosses: 0, lossProgress: 0, ranLong: false };
  }

  find(id: string, client?: string): StoredJob | undefined {
    return optional(this.#byId.get({ id, client: client ?? null }));
  }

  /** Jobs that have not ended, in order of arrival. */
  open(): StoredJob[] {
    return this.#open.all().map(toStoredJob);
  }

  openByContent(client: string, joinKey: string): StoredJob | undefined {
    return optional(this.#openByContent.get({ client, joinKey }));
  }

  /** The newest result for the same content that ended behind `since`. */
  storedByContent(client: string, joinKey: string, since: number, now: number): StoredJob | undefined {
    return optional(this.#storedByContent.get({ client, joinKey, since, now }));
  }

  list(filter: JobFilter): { jobs: Job[]; next?: string } {
    const conditions = ['1'];
    const parameters: Record<string, string | number> = { limit: filter.limit + 1 };
    const where = (condition: string, name: string, value: string | undefined) => {
      if (value === undefined) return;
      conditions.push(condition);
      parameters[name] = value;
    };
    where('client = :client', 'client', filter.client);
    where('dialect = :dialect', 'dialect', filter.dialect);
    where('id < :after', 'after', filter.after);
    where('state IN (SELECT value FROM json_each(:states))', 'states', filter.states && JSON.stringify(filter.states));
    const sql = `${JOB} WHERE ${conditions.join(' AND ')} ORDER BY id DESC LIMIT :limit`;
    const found = this.#database.prepare(sql).all(parameters).map(toStoredJob);
    const jobs = found.slice(0, filter.limit).map(({ job }) => job);
    const last = jobs.at(-1);
    return found.length > jobs.length && last ? { jobs, next: last.id } : { jobs };
  }

  /** False where the job was not waiting any more. */
  start(seq: number, at: number): boolean {
    return this.#start.run({ seq, at }) === 1;
  }

  /** Running again later; false where the job was not running any more. */
  requeue(seq: number, { engineCrashes, crashProgress, serverLosses, lossProgress }: Crashes): boolean {
    return this.#requeue.run({ seq, engineCrashes, crashProgress, serverLosses, lossProgress }) === 1;
  }

  ranLong(seq: number): void {
    this.#ranLong.run({ seq });
  }

  progress(seq: number, stage: JobStage, progress: number, audioSeconds: Seconds | undefined): void {
    this.#progress.run({ seq, stage, progress, audioSeconds: audioSeconds ?? null });
  }

  fetched(seq: number, file: { bytes: number; sha256: string; estimatedSeconds: Seconds }): void {
    this.#fetched.run({ seq, ...file });
  }

  makeDurable(seq: number): void {
    this.#makeDurable.run({ seq });
  }

  /** Ends a job that has not ended; false where it had. */
  end(seq: number, ending: Ending): boolean {
    const { state, at, expiresAt, uploadUntil, error, reason } = ending;
    const changed = this.#end.run({
      seq,
      state,
      at,
      expiresAt,
      uploadUntil,
      errorCode: error?.code ?? null,
      errorMessage: error?.message ?? null,
      reason: reason ?? null,
    });
    return changed === 1;
  }

  /** Removes the job with its events, transcript and webhooks. */
  delete(seq: number): void {
    this.#delete.run({ seq });
  }

  transcript(seq: number): Transcript | undefined {
    const row = this.#transcript.get({ seq });
    return row && (JSON.parse(String(row.body)) as Transcript);
  }

  storeTranscript(seq: number, transcript: Transcript): void {
    this.#storeTranscript.run({ seq, body: JSON.stringify(transcript) });
  }

  /** Up to 100 jobs whose time is over. */
  expired(now: number): StoredJob[] {
    return this.#expired.all({ now }).map(toStoredJob);
  }

  /** Up to 100 jobs whose upload's time is over. */
  expiredUploads(now: number): StoredJob[] {
    return this.#expiredUploads.all({ now }).map(toStoredJob);
  }

  uploadGone(seq: number): void {
    this.#uploadGone.run({ seq });
  }

  addUsage(client: string, at: number, audioSeconds: Seconds): void {
    this.#addUsage.run({ client, at, audioSeconds });
  }

  usage(client: string, since: number): Usage {
    const row = this.#usage.get({ client, since });
    return { jobs: Number(row?.jobs ?? 0), audioSeconds: Number(row?.audio_seconds ?? 0) };
  }

  forgetUsage(before: number): void {
    this.#forgetUsage.run({ before });
  }
}

function optional(row: Row | undefined): StoredJob | undefined {
  return row && toStoredJob(row);
}

function toStoredJob(row: Row): StoredJob {
  return {
    seq: Number(row.seq),
    job: toJob(row),
    joinKey: String(row.join_key),
    estimatedSeconds: Number(row.estimated_seconds),
    engineCrashes: Number(row.engine_crashes),
    crashProgress: Number(row.crash_progress),
    serverLosses: Number(row.server_losses),
    lossProgress: Number(row.loss_progress),
    ranLong: row.ran_long === 1,
    ...(row.url !== null && { url: String(row.url) }),
    ...(row.upload_until !== null && { uploadUntil: Number(row.upload_until) }),
  };
}

function toJob(row: Row): Job {
  return {
    id: String(row.id),
    state: row.state as JobState,
    client: String(row.client),
    dialect: String(row.dialect),
    priority: row.priority as Priority,
    name: String(row.name),
    bytes: Number(row.bytes),
    sha256: String(row.sha256),
    options: JSON.parse(String(row.options)) as JobOptions,
    durable: row.durable === 1,
    createdAt: Number(row.created_at),
    progress: Number(row.progress),
    attempts: Number(row.attempts),
    ...(row.started_at !== null && { startedAt: Number(row.started_at) }),
    ...(row.finished_at !== null && { finishedAt: Number(row.finished_at) }),
    ...(row.expires_at !== null && { expiresAt: Number(row.expires_at) }),
    ...(row.stage !== null && { stage: row.stage as JobStage }),
    ...(row.audio_seconds !== null && { audioSeconds: Number(row.audio_seconds) }),
    ...(row.error_code !== null && {
      error: { code: row.error_code as ErrorCode, message: String(row.error_message) },
    }),
    ...(row.reason !== null && { reason: String(row.reason) }),
  };
}
