import type { FastifyBaseLogger } from 'fastify';
import { toDiaristError } from '../core/errors.ts';
import { neededModels } from '../models/needed-models.ts';
import type { ModelStore } from '../models/store.ts';

/** A model that the server needs and does not have yet. */
export interface MissingModel {
  readonly name: string;
  /** `waiting`: others are fetched first, or it is tried again soon. */
  readonly state: 'missing' | 'waiting' | 'fetching';
  /** 0 to 1 of its bytes. */
  readonly progress?: number;
  /** Why the last try failed. */
  readonly error?: string;
}

export interface ModelSupplyOptions {
  readonly store: Pick<ModelStore, 'find' | 'ensure'>;
  /** The recognition model that requests get unless they name another. */
  readonly model: string;
  /** More models to have before the server is ready. */
  readonly preload: readonly string[];
  /** Fetch what is missing; otherwise it is named, and noticed when somebody else brings it. */
  readonly fetch: boolean;
  readonly logger: FastifyBaseLogger;
}

const FIRST_RETRY_MS = 5000;
const LONGEST_RETRY_MS = 5 * 60_000;
/** Looking at the disk costs little, and somebody may be waiting for `/readyz`. */
const LONGEST_LOOK_MS = 15_000;

/** Knows which of the models that the server needs are missing, and fetches them in the background. */
export class ModelSupply {
  readonly #options: ModelSupplyOptions;
  readonly #missing = new Map<string, MissingModel>();
  readonly #diarization: readonly string[];
  readonly #stop = new AbortController();
  #work: Promise<void> = Promise.resolve();

  constructor(options: ModelSupplyOptions) {
    this.#options = options;
    this.#diarization = neededModels(options.model)
      .map(({ name }) => name)
      .slice(1);
  }

  /** Looks what is there, and begins to fetch the rest or to look for it. */
  async start(): Promise<void> {
    const { store, model, preload, fetch } = this.#options;
    const needed = neededModels(model).map(({ name }) => name);
    for (const name of new Set([...needed, ...preload])) {
      if ((await store.find(name)) === null) this.#missing.set(name, { name, state: fetch ? 'waiting' : 'missing' });
    }
    if (this.#missing.size > 0) this.#work = this.#untilComplete(fetch);
  }

  missing(): readonly MissingModel[] {
    return [...this.#missing.values()];
  }

  /** True where everything that tells speakers apart is there. */
  hasDiarization(): boolean {
    return this.#diarization.every((name) => !this.#missing.has(name));
  }

  /** Calls back once nothing is missing any more. */
  async whenComplete(): Promise<void> {
    await this.#work;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  async #untilComplete(fetch: boolean): Promise<void> {
    const longestMs = fetch ? LONGEST_RETRY_MS : LONGEST_LOOK_MS;
    for (let waitMs = FIRST_RETRY_MS; this.#missing.size > 0; waitMs = Math.min(2 * waitMs, longestMs)) {
      for (const name of [...this.#missing.keys()]) await (fetch ? this.#fetch(name) : this.#look(name));
      if (this.#missing.size > 0 && !(await pause(waitMs, this.#stop.signal))) return;
    }
  }

  async #look(name: string): Promise<void> {
    const { store, logger } = this.#options;
    if ((await store.find(name).catch(() => null)) === null) return;
    this.#missing.delete(name);
    logger.info({ model: name }, 'the model is there');
  }

  async #fetch(name: string): Promise<void> {
    const { store, logger } = this.#options;
    if (this.#stop.signal.aborted) return;
    try {
      logger.info({ model: name }, 'fetching a model');
      await store.ensure(name, {
        signal: this.#stop.signal,
        onProgress: ({ receivedBytes, totalBytes }) => {
          const progress = totalBytes > 0 ? receivedBytes / totalBytes : 0;
          this.#missing.set(name, { name, state: 'fetching', progress });
        },
      });
      this.#missing.delete(name);
      logger.info({ model: name }, 'the model is there');
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const { message } = toDiaristError(error);
      this.#missing.set(name, { name, state: 'waiting', error: message });
      logger.error({ model: name, reason: message }, 'a model could not be fetched; trying again later');
    }
  }
}

/** Waits; false where it was told to stop. */
function pause(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve(true);
    }, milliseconds);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
