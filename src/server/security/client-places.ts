import { type Patience, waitPatiently } from './patience.ts';

export interface PlaceLimits {
  /** Places that one client may hold. */
  readonly perClient: number;
  /** Places of all clients together. */
  readonly total: number;
}

interface Waiter {
  readonly client: string;
  readonly admit: () => void;
}

/** Places for work that is no job. Who finds none waits, in order of arrival as far as the limits of each client allow. */
export class ClientPlaces {
  readonly #limits: PlaceLimits;
  readonly #taken = new Map<string, number>();
  #takenInAll = 0;
  readonly #waiters = new Set<Waiter>();

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /** A place, to be disposed of when the work is done. Throws as {@link waitPatiently} does. */
  async take(client: string, patience: Patience): Promise<Disposable> {
    if (this.#isFree(client)) this.#occupy(client);
    else await this.#wait(client, patience);
    return { [Symbol.dispose]: () => this.#leave(client) };
  }

  async #wait(client: string, patience: Patience): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { client, admit: resolve };
    this.#waiters.add(waiter);
    try {
      await waitPatiently(promise, patience);
    } catch (error) {
      // Who was admitted at the very moment gives the place on.
      if (!this.#waiters.delete(waiter)) this.#leave(client);
      throw error;
    }
  }

  #isFree(client: string): boolean {
    return this.#takenInAll < this.#limits.total && (this.#taken.get(client) ?? 0) < this.#limits.perClient;
  }

  #occupy(client: string): void {
    this.#takenInAll++;
    this.#taken.set(client, (this.#taken.get(client) ?? 0) + 1);
  }

  #leave(client: string): void {
    this.#takenInAll--;
    const left = (this.#taken.get(client) ?? 1) - 1;
    if (left > 0) this.#taken.set(client, left);
    else this.#taken.delete(client);
    for (const waiter of this.#waiters) {
      if (!this.#isFree(waiter.client)) continue;
      this.#waiters.delete(waiter);
      this.#occupy(waiter.client);
      waiter.admit();
    }
  }
}
