import { EventEmitter } from 'node:events';
import { DiaristError } from '../../core/errors.ts';
import type { Jobs, Submission, Submitted } from '../../jobs/types.ts';
import type { KeyLimits } from './api-keys.ts';
import { type Patience, waitPatiently } from './patience.ts';
import { checkQuota } from './quota.ts';

/**
 * The same jobs, but each client within the limits of its key: `quota_exceeded` where its audio of the day or month is
 * used up, `rate_limited` where too many of its jobs run. A caller who waits in the queue waits for its own jobs, too, until
 * it hangs up (`cancelled`) or `closing` aborts (`shutting_down`).
 */
export function limitJobs(jobs: Jobs, limitsOf: (client: string) => KeyLimits, closing: AbortSignal): Jobs {
  const turns = new ClientTurns(jobs);
  const admit = async (client: string, patience: Patience | undefined): Promise<Disposable> => {
    const limits = limitsOf(client);
    checkQuota(jobs, client, limits);
    return turns.take(client, limits.concurrentJobs ?? Number.POSITIVE_INFINITY, patience);
  };
  return withMethods(jobs, {
    submit(submission: Submission, admission = {}) {
      // What joins a job costs nothing: a retry within the limits of its own job would be turned away otherwise.
      const patience = admission.wait === true ? { hangUp: admission.signal, closing } : undefined;
      return jobs.submit(submission, { ...admission, admit: () => admit(submission.client, patience) });
    },
    async rerun(id, options, client): Promise<Submitted | undefined> {
      if (client === undefined || jobs.get(id, client) === undefined) return jobs.rerun(id, options, client);
      using _turn = await admit(client, undefined);
      return await jobs.rerun(id, options, client);
    },
  });
}

/** The jobs with some methods replaced; the others keep their `this`. */
function withMethods(jobs: Jobs, methods: Partial<Jobs>): Jobs {
  return new Proxy(jobs, {
    get(target, property) {
      const own = methods[property as keyof Jobs];
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Counts the jobs of a client that have not ended, and lets callers wait for one of them to end. */
class ClientTurns {
  readonly #jobs: Jobs;
  /** Turns that were given and whose job is not a row yet. */
  readonly #given = new Map<string, number>();
  /** Told of clients whose given turn has come back, perhaps unused. */
  readonly #returned = new EventEmitter().setMaxListeners(0);

  constructor(jobs: Jobs) {
    this.#jobs = jobs;
  }

  /** A turn, to be held until the job is a row. Throws `rate_limited` where there is none and nobody wants to wait. */
  async take(client: string, limit: number, patience: Patience | undefined): Promise<Disposable> {
    while (this.#open(client, limit) >= limit) {
      if (patience === undefined) {
        throw new DiaristError(
          'rate_limited',
          `This API key may have ${limit} jobs at a time: wait until one is done.`,
        );
      }
      using end = this.#oneEnds(client);
      await waitPatiently(end.promise, patience);
    }
    this.#given.set(client, (this.#given.get(client) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#given.get(client) ?? 1) - 1;
        if (left > 0) this.#given.set(client, left);
        else this.#given.delete(client);
        this.#returned.emit('turn', client);
      },
    };
  }

  #open(client: string, limit: number): number {
    if (limit === Number.POSITIVE_INFINITY) return 0;
    const rows = this.#jobs.list({ client, states: ['queued', 'running'], limit }).jobs.length;
    return rows + (this.#given.get(client) ?? 0);
  }

  /** Resolves when a job of the client ends or a turn of it comes back; disposing of it ends the listening. */
  #oneEnds(client: string): Disposable & { readonly promise: Promise<void> } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const onReturned = (whose: string): void => {
      if (whose === client) resolve();
    };
    const stop = this.#jobs.onChange((change) => {
      if (change.kind === 'ended') onReturned(change.job.client);
    });
    this.#returned.on('turn', onReturned);
    return {
      promise,
      [Symbol.dispose]: () => {
        stop();
        this.#returned.off('turn', onReturned);
      },
    };
  }
}
