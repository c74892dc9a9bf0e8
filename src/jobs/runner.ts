import { setTimeout as delay } from 'node:timers/promises';
import { DiaristError, type ErrorCode, toDiaristError } from '../core/errors.ts';
import type { GuardedFetch } from '../core/guarded-fetch.ts';
import type { Seconds } from '../core/units.ts';
import type { Engines } from '../host/types.ts';
import type { Progress } from '../pipeline/types.ts';
import type { Transcript } from '../transcript/types.ts';
import { type FetchLimits, fetchRecording } from './fetch-recording.ts';
import type { JobFolders } from './job-folders.ts';
import type { Lifecycle, Outcome } from './lifecycle.ts';
import { estimateAudioSeconds } from './scheduling/audio-estimate.ts';
import { flowOf, type Scheduler, weightOf } from './scheduling/scheduler.ts';
import type { EventRows } from './store/event-rows.ts';
import type { JobRows, StoredJob } from './store/job-rows.ts';
import { afterCrash, isSuspect } from './suspicion.ts';
import { transcribeUnnamed } from './transcribe-unnamed.ts';

/** Progress is stored and told this often at most; each stage is told at once. */
const PROGRESS_INTERVAL_MS = 500;
/** A full disk may have room again; a result of hours is worth waiting for that. */
const STORE_AGAIN_MS = 2000;
/** Failures of the engine process rather than of the recording: worth another attempt. */
const ENGINE_FAILURES: ReadonlySet<ErrorCode> = new Set([
  'engine_crashed',
  'engine_killed',
  'engine_timeout',
  'engine_out_of_memory',
  'cancelled',
  'shutting_down',
]);
/** A recording that somebody's memory guard kills the engine for, each time, must come to an end as well. */
const MOST_STARTS_AFTER_KILLS = 100;

interface Run {
  readonly abort: AbortController;
  readonly settled: Promise<void>;
  /** How far it got, 0 to 1; what is stored may be a moment behind. */
  reached: number;
  parked: boolean;
}

export interface RunnerSettings extends FetchLimits {
  readonly maxAttempts: number;
  /** A job that ran for so long is asked about when its server is lost. */
  readonly lossCountsAfterSeconds: Seconds;
}

/** Runs jobs in the engines and makes of what comes back what the job becomes. */
export class Runner {
  readonly #engines: Engines;
  readonly #lifecycle: Lifecycle;
  readonly #folders: JobFolders;
  readonly #rows: JobRows;
  readonly #events: EventRows;
  readonly #guarded: GuardedFetch;
  readonly #settings: RunnerSettings;
  readonly #hooks: RunnerHooks;
  readonly #runs = new Map<string, Run>();
  readonly #closing = new AbortController();

  constructor(parts: RunnerParts, settings: RunnerSettings, hooks: RunnerHooks) {
    this.#engines = parts.engines;
    this.#lifecycle = parts.lifecycle;
    this.#folders = parts.folders;
    this.#rows = parts.rows;
    this.#events = parts.events;
    this.#guarded = parts.guarded;
    this.#settings = settings;
    this.#hooks = hooks;
  }

  isRunning(id: string): boolean {
    return this.#runs.has(id);
  }

  /** Starts a job whose turn has come; its end is told to the hooks. */
  start(id: string): void {
    const settled = Promise.withResolvers<void>();
    const run: Run = { abort: new AbortController(), settled: settled.promise, reached: 0, parked: false };
    this.#runs.set(id, run);
    this.#run(id, run)
      .catch(async (error: unknown) => {
        this.#hooks.broken(id, toDiaristError(error));
        // It is in the queue again at once, and would fail at once.
        await delay(STORE_AGAIN_MS, undefined, { signal: this.#closing.signal, ref: false });
      })
      .then(() => {
        this.#runs.delete(id);
        this.#hooks.settled(id);
      })
      // The store is closed or broken: the next start finds the job as it was.
      .catch(() => {})
      .finally(() => settled.resolve());
  }

  /** Stops the work on a job whose row says already that it ended. */
  abort(id: string): void {
    this.#runs.get(id)?.abort.abort();
  }

  /** Resolves when the engine has let go of a job. */
  async settled(id: string): Promise<void> {
    await this.#runs.get(id)?.settled;
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    await Promise.all([...this.#runs.values()].map((run) => run.settled));
  }

  /** Stops what runs, so that the next start of the server goes on with it. */
  async park(): Promise<void> {
    this.#closing.abort();
    for (const run of this.#runs.values()) {
      run.parked = true;
      run.abort.abort();
    }
    await this.idle();
  }

  async #run(id: string, run: Run): Promise<void> {
    const stored = this.#lifecycle.start(id);
    if (!stored) return;
    const ranLong = setTimeout(
      () => quietly(() => this.#rows.ranLong(stored.seq)),
      this.#settings.lossCountsAfterSeconds * 1000,
    ).unref();
    let outcome: Outcome;
    try {
      const transcript = await this.#work(stored, run);
      outcome = { state: 'succeeded', transcript };
    } catch (error) {
      if (run.parked) {
        this.#lifecycle.requeue(stored, stored);
        return;
      }
      // Cancelled by the jobs: the row has ended already.
      if (run.abort.signal.aborted) return;
      const failure = toDiaristError(error);
      const requeued = ENGINE_FAILURES.has(failure.code) && this.#tryAgain(stored, run.reached, failure);
      if (requeued) return;
      outcome = { state: 'failed', error: wasNotAsked(failure) ? closedByItself(failure) : failure };
    } finally {
      clearTimeout(ranLong);
    }
    await this.#store(stored, outcome);
  }

  async #work(stored: StoredJob, run: Run): Promise<Transcript> {
    const { signal } = run.abort;
    const { id, options, client, priority } = stored.job;
    const path = this.#folders.recording(id);
    if (!this.#folders.hasRecording(id)) await this.#fetch(stored, path, signal);
    signal.throwIfAborted();
    const { model, format, ...transcribeOptions } = options;
    const lastPart = this.#events.lastPart(stored.seq);
    const progress = new ProgressReport(stored, this.#lifecycle, this.#hooks.scheduler);
    return await transcribeUnnamed(
      this.#engines,
      model,
      {
        id,
        path,
        options: transcribeOptions,
        ...(format && { format }),
        workFolder: this.#folders.work(id),
        turn: { flow: flowOf({ client, priority }), weight: weightOf(priority) },
      },
      {
        signal,
        onProgress: (told) => {
          run.reached = Math.max(run.reached, told.fraction);
          progress.tell(told);
        },
        onPart: (part) => {
          // An engine that begins again tells from the first one.
          if (part.index > lastPart) quietly(() => this.#lifecycle.part(stored.seq, part));
        },
      },
    );
  }

  async #fetch(stored: StoredJob, path: string, signal: AbortSignal): Promise<void> {
    const { seq, url, job } = stored;
    if (url === undefined) {
      throw new DiaristError('input_gone', 'The recording of this job is not there any more: send it again.');
    }
    this.#lifecycle.progress(seq, { kind: 'progress', stage: 'fetch', progress: 0 }, undefined);
    const file = await fetchRecording(url, path, this.#guarded, this.#settings, signal);
    const estimatedSeconds = estimateAudioSeconds(path, file.bytes, job.options.format);
    this.#rows.fetched(seq, { ...file, estimatedSeconds });
    this.#hooks.scheduler.progressed(job.id, 0, estimatedSeconds, 0);
  }

  /** Has a job whose engine failed run again; false where that is hopeless. */
  #tryAgain(before: StoredJob, reached: number, failure: DiaristError): boolean {
    const now = this.#rows.find(before.job.id);
    if (!now) return false;
    // Who kills the engine from outside proves nothing against the recording, as little as who kills the server.
    if (failure.code === 'engine_killed' && now.job.attempts < MOST_STARTS_AFTER_KILLS) {
      this.#lifecycle.requeue(now, now, failure);
      return true;
    }
    const lacksMemory = failure.code === 'engine_out_of_memory';
    const { advanced, ...crashes } = afterCrash(now, reached, lacksMemory);
    // Together with others it may have been too much; alone it would be again.
    if (lacksMemory && isSuspect(before) && !advanced) return false;
    if (crashes.engineCrashes >= this.#settings.maxAttempts) return false;
    this.#lifecycle.requeue(now, crashes, failure);
    return true;
  }

  async #store(stored: StoredJob, outcome: Outcome): Promise<void> {
    for (;;) {
      try {
        const ended = this.#lifecycle.end(stored, outcome);
        if (ended) this.#hooks.ended(ended);
        return;
      } catch (error) {
        const { code } = toDiaristError(error);
        if (code !== 'disk_full' && code !== 'output_unwritable') throw error;
        await delay(STORE_AGAIN_MS, undefined, { signal: this.#closing.signal });
      }
    }
  }
}

/** An engine that was closed under a job: nobody cancelled that one. */
function wasNotAsked({ code }: DiaristError): boolean {
  return code === 'cancelled' || code === 'shutting_down';
}

function closedByItself(cause: DiaristError): DiaristError {
  return new DiaristError('engine_crashed', 'The engine ended again and again before this job was done: try again.', {
    cause,
  });
}

export interface RunnerParts {
  readonly engines: Engines;
  readonly lifecycle: Lifecycle;
  readonly folders: JobFolders;
  readonly rows: JobRows;
  readonly events: EventRows;
  readonly guarded: GuardedFetch;
}

/** What the runner tells the jobs. */
export interface RunnerHooks {
  readonly scheduler: Pick<Scheduler, 'progressed'>;
  ended(stored: StoredJob): void;
  /** The store failed: a state of the job could not be written. */
  broken(id: string, error: DiaristError): void;
  /** The engine has let go of the job, whatever became of it: it may be in the queue again. */
  settled(id: string): void;
}

/** Stores progress now and then, with the time that is left as this run's speed has it. */
class ProgressReport {
  readonly #stored: StoredJob;
  readonly #lifecycle: Lifecycle;
  readonly #scheduler: Pick<Scheduler, 'progressed'>;
  #storedAt = Number.NEGATIVE_INFINITY;
  #stage: string | undefined;
  #begin: { at: number; fraction: number } | undefined;

  constructor(stored: StoredJob, lifecycle: Lifecycle, scheduler: Pick<Scheduler, 'progressed'>) {
    this.#stored = stored;
    this.#lifecycle = lifecycle;
    this.#scheduler = scheduler;
  }

  tell({ stage, fraction, audioSeconds }: Progress): void {
    const { seq, job } = this.#stored;
    const at = performance.now();
    // Where a checkpoint was, the engine begins below what was reached: that is no work to be done again.
    const reached = Math.max(fraction, job.progress);
    if (fraction >= job.progress) this.#begin ??= { at, fraction };
    this.#scheduler.progressed(job.id, reached, audioSeconds, job.progress);
    const isDue = stage !== this.#stage || at - this.#storedAt >= PROGRESS_INTERVAL_MS;
    if (!isDue) return;
    this.#stage = stage;
    this.#storedAt = at;
    const etaSeconds = this.#etaSeconds(at, fraction);
    quietly(() => {
      this.#lifecycle.progress(
        seq,
        { kind: 'progress', stage, progress: reached, ...(etaSeconds !== undefined && { etaSeconds }) },
        audioSeconds > 0 ? audioSeconds : undefined,
      );
    });
  }

  #etaSeconds(at: number, fraction: number): number | undefined {
    const done = fraction - (this.#begin?.fraction ?? fraction);
    if (done <= 0 || !this.#begin) return undefined;
    return (((at - this.#begin.at) / 1000) * (1 - fraction)) / done;
  }
}

/** Progress that cannot be stored (a full disk) is lost; the recording goes on, and its end is stored or waited for. */
function quietly(store: () => void): void {
  try {
    store();
  } catch {
    // As said above.
  }
}
