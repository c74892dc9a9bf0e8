import { DiaristError } from '../core/errors.ts';
import type { Seconds } from '../core/units.ts';
import type { Job } from './types.ts';

/** Between joining a job and waiting for it lies a write to the disk at most: a caller who takes longer is gone. */
const ARRIVAL_SECONDS: Seconds = 5;

interface Audience {
  /** Callers that wait or listen. */
  present: number;
  grace?: NodeJS.Timeout;
  readonly waiting: Set<PromiseWithResolvers<Job>>;
}

/**
 * Who waits for which job. When the last one has hung up, a time of grace passes before `deserted` is called: an SDK that
 * tries again joins its job instead of starting over.
 */
export class Attendance {
  readonly #graceSeconds: Seconds;
  readonly #deserted: (id: string) => void;
  readonly #audiences = new Map<string, Audience>();
  #closed: DiaristError | undefined;

  constructor(graceSeconds: Seconds, deserted: (id: string) => void) {
    this.#graceSeconds = graceSeconds;
    this.#deserted = deserted;
  }

  /** Counts a caller until the returned function is called: it has hung up, or has what it wanted. */
  attend(id: string): () => void {
    const audience = this.#audience(id);
    audience.present++;
    clearTimeout(audience.grace);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      audience.present--;
      // An audience that was replaced is one whose job ended.
      if (audience.present === 0 && this.#audiences.get(id) === audience) {
        this.#startGrace(id, audience, this.#graceSeconds);
      }
    };
  }

  /** Somebody has joined the job and will attend in a moment: a grace that is nearly over does not end before that. */
  expectArrival(id: string): void {
    const audience = this.#audiences.get(id);
    if (audience?.present === 0) this.#startGrace(id, audience, Math.max(this.#graceSeconds, ARRIVAL_SECONDS));
  }

  /** Resolves at the end of the job. Rejects with `cancelled` when the signal aborts, with `shutting_down` on close. */
  async wait(id: string, signal?: AbortSignal): Promise<Job> {
    if (this.#closed) throw this.#closed;
    const leave = this.attend(id);
    const end = Promise.withResolvers<Job>();
    const { waiting } = this.#audience(id);
    const hangUp = () => end.reject(new DiaristError('cancelled', 'The caller stopped waiting for the job.'));
    waiting.add(end);
    signal?.addEventListener('abort', hangUp);
    if (signal?.aborted) hangUp();
    try {
      return await end.promise;
    } finally {
      signal?.removeEventListener('abort', hangUp);
      waiting.delete(end);
      leave();
    }
  }

  /** The job has ended, or an error keeps it from ever ending here. */
  ended(id: string, outcome: Job | DiaristError): void {
    const audience = this.#audiences.get(id);
    if (!audience) return;
    this.#audiences.delete(id);
    clearTimeout(audience.grace);
    for (const end of audience.waiting) {
      if (outcome instanceof DiaristError) end.reject(outcome);
      else end.resolve(outcome);
    }
  }

  /** From now on nobody's hanging up cancels anything; those who wait for jobs that `stays` is true for go on waiting. */
  close(error: DiaristError, stays: (id: string) => boolean): void {
    this.#closed = error;
    for (const [id, { grace }] of this.#audiences) {
      clearTimeout(grace);
      if (!stays(id)) this.ended(id, error);
    }
  }

  #audience(id: string): Audience {
    let audience = this.#audiences.get(id);
    if (!audience) {
      audience = { present: 0, waiting: new Set() };
      this.#audiences.set(id, audience);
    }
    return audience;
  }

  #startGrace(id: string, audience: Audience, seconds: Seconds): void {
    clearTimeout(audience.grace);
    if (this.#closed) return;
    audience.grace = setTimeout(() => {
      this.#audiences.delete(id);
      this.#deserted(id);
    }, seconds * 1000);
    audience.grace.unref();
  }
}
