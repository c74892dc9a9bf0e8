import type { JobFolders } from './job-folders.ts';
import type { JobDatabase } from './store/database.ts';
import type { JobRows, StoredJob } from './store/job-rows.ts';

const SWEEP_INTERVAL_MS = 60_000;
/** Longer than any quota looks back. */
const KEEP_USAGE_MS = 400 * 24 * 3600 * 1000;

/** Removes what has been kept long enough: recordings, then jobs with all that belongs to them. */
export class RetentionSweeper {
  readonly #database: JobDatabase;
  readonly #rows: JobRows;
  readonly #folders: JobFolders;
  readonly #remove: (stored: StoredJob) => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  #stopped = false;

  /** `remove` deletes one job that has ended. */
  constructor(database: JobDatabase, rows: JobRows, folders: JobFolders, remove: (stored: StoredJob) => Promise<void>) {
    this.#database = database;
    this.#rows = rows;
    this.#folders = folders;
    this.#remove = remove;
  }

  start(): void {
    this.#timer = setInterval(() => {
      // A failure (a full disk) leaves the rows, and the next sweep tries again.
      this.sweep().catch(() => {});
    }, SWEEP_INTERVAL_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#sweeping?.catch(() => {});
  }

  /** Removes what is over now; one sweep at a time. */
  async sweep(): Promise<void> {
    this.#sweeping ??= this.#sweepOnce().finally(() => {
      this.#sweeping = undefined;
    });
    await this.#sweeping;
  }

  /** Removes the recording of a job that has ended. */
  async removeRecording({ seq, job }: StoredJob): Promise<void> {
    await this.#folders.removeRecording(job.id);
    this.#rows.uploadGone(seq);
  }

  async #sweepOnce(): Promise<void> {
    const now = Date.now();
    // Until none is left: a busy server ends more jobs in a minute than are read at once.
    await this.#forAll(
      () => this.#rows.expiredUploads(now),
      (stored) => this.removeRecording(stored),
    );
    const removed = await this.#forAll(() => this.#rows.expired(now), this.#remove);
    this.#rows.forgetUsage(now - KEEP_USAGE_MS);
    if (removed > 0) this.#database.scrub();
  }

  /** Returns how many there were. */
  async #forAll(next: () => readonly StoredJob[], remove: (stored: StoredJob) => Promise<void>): Promise<number> {
    let removed = 0;
    for (let due = next(); due.length > 0; due = next()) {
      for (const stored of due) {
        if (this.#stopped) return removed;
        await remove(stored);
        removed++;
      }
    }
    return removed;
  }
}
