import type { Config } from '../config/config.ts';
import { DiaristError } from '../core/errors.ts';
import type { DetectedLanguage, EngineStatus, RunContext, TranscribeRequest, VoiceRequest } from '../pipeline/types.ts';
import type { Transcript } from '../transcript/types.ts';
import { EngineHost, type EngineHostEvent, type EngineHostOptions, engineHostOptions } from './engine-host.ts';
import type { Engines } from './types.ts';

export interface EnginesOptions {
  /** Of every engine, but for its model; `engine.model` is the one that voices are embedded with. */
  readonly host: Omit<EngineHostOptions, 'onEvent'>;
  /** Engines at once; 0 means as many as the memory limit has room for. */
  readonly maxEngines: number;
  /** What a model's engine is expected to take before it has ever run here; undefined where nobody knows. */
  readonly estimateBytes?: (model: string) => number | undefined;
  readonly onEvent?: (model: string, event: EngineHostEvent) => void;
}

/** Expected of a model that nothing is known about: about what `base` takes with words and speakers. */
const USUAL_ENGINE_BYTES = 1e9;

/** One model's engine and who uses it. */
interface Entry {
  readonly model: string;
  readonly host: EngineHost;
  /** Calls that were let in and are not done. */
  users: number;
  lastUsedAt: number;
  /** Most memory that this model's engine was ever seen with. */
  peakBytes: number;
}

/** A call that waits for memory. */
interface Waiting {
  readonly entry: Entry;
  readonly admit: () => void;
}

/** The engines of this machine as the configuration has them. */
export function createEngines(
  config: Config,
  options: Pick<EnginesOptions, 'estimateBytes' | 'onEvent'> = {},
): Engines {
  return new LocalEngines({ host: engineHostOptions(config), maxEngines: config.settings.maxEngines, ...options });
}

/**
 * Engines that share the memory limit: the sum of what they take, or are expected to take, stays below it. An engine that
 * has nothing to do is ended for one that has; one that works never is, so a call for a model without room waits. A
 * model that is expected to need more than the limit runs alone: its own watch ends it where that proves true.
 */
export class LocalEngines implements Engines {
  readonly #options: EnginesOptions;
  readonly #entries = new Map<string, Entry>();
  /** In order of arrival. */
  #waiting: Waiting[] = [];
  readonly #ending = new Set<Entry>();
  #closed = false;

  constructor(options: EnginesOptions) {
    this.#options = options;
  }

  transcribe(model: string, request: TranscribeRequest, context: RunContext = {}): Promise<Transcript> {
    return this.#use(model, context.signal, (host) => host.transcribe(request, context));
  }

  detectLanguage(model: string, request: VoiceRequest, context: RunContext = {}): Promise<DetectedLanguage | null> {
    return this.#use(model, context.signal, (host) => host.detectLanguage(request, context));
  }

  embedVoice(request: VoiceRequest, context: RunContext = {}): Promise<readonly number[]> {
    // Every engine can: one that runs costs no start.
    const running = [...this.#entries.values()].filter(isPresent).sort((a, b) => a.users - b.users);
    const model = running[0]?.model ?? this.#options.host.engine.model;
    return this.#use(model, context.signal, (host) => host.embedVoice(request, context));
  }

  hasRoomFor(model: string): boolean {
    const entry = this.#entries.get(model);
    if (entry !== undefined && isPresent(entry)) return true;
    return this.#fits(
      model,
      [...this.#entries.values()].filter(({ users }) => users > 0),
    );
  }

  load(model: string): Promise<void> {
    return this.#use(model, undefined, (host) => host.load());
  }

  async unloadIdle(): Promise<void> {
    const idle = [...this.#entries.values()].filter(({ users }) => users === 0);
    await Promise.all(idle.map(({ host }) => host.unload()));
  }

  status(): readonly EngineStatus[] {
    return [...this.#entries.values()].map(({ host }) => host.status());
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { admit } of this.#waiting.splice(0)) admit();
    await Promise.all([...this.#entries.values()].map(({ host }) => host.close()));
  }

  async #use<T>(model: string, signal: AbortSignal | undefined, work: (host: EngineHost) => Promise<T>): Promise<T> {
    if (this.#closed) throw new DiaristError('cancelled', 'The engines were closed before this was done.');
    const entry = this.#entryOf(model);
    await this.#admitted(entry, signal);
    try {
      return await work(entry.host);
    } finally {
      this.#notePeak(entry);
      entry.users--;
      entry.lastUsedAt = performance.now();
      this.#admitWaiting();
    }
  }

  #entryOf(model: string): Entry {
    const known = this.#entries.get(model);
    if (known !== undefined) return known;
    const { host, onEvent } = this.#options;
    const entry: Entry = {
      model,
      host: new EngineHost({
        ...host,
        engine: { ...host.engine, model },
        onEvent: (event) => {
          onEvent?.(model, event);
          // Whatever ended it, its memory is free.
          if (event.kind === 'ended') this.#admitWaiting();
        },
      }),
      users: 0,
      lastUsedAt: 0,
      peakBytes: 0,
    };
    this.#entries.set(model, entry);
    return entry;
  }

  /** Settles when the engine may run, and counts one user more. */
  #admitted(entry: Entry, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(new DiaristError('cancelled', 'Cancelled.'));
        // Those behind it may have waited for nothing else.
        this.#admitWaiting();
      };
      const waiting: Waiting = {
        entry,
        admit: () => {
          signal?.removeEventListener('abort', onAbort);
          entry.users++;
          resolve();
        },
      };
      if (signal?.aborted === true) {
        reject(new DiaristError('cancelled', 'Cancelled.'));
        return;
      }
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
      this.#admitWaiting();
    });
  }

  /** Lets in what there is room for: calls of engines that run at once, the others in order of arrival. */
  #admitWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    let blocked = false;
    for (const call of waiting) {
      const { entry } = call;
      const present = isPresent(entry) && !this.#ending.has(entry);
      if (this.#closed || present) call.admit();
      else if (!blocked && this.#fits(entry.model, this.#presentBeside(entry))) call.admit();
      else {
        if (!blocked) this.#endIdle(entry);
        blocked = true;
        this.#waiting.push(call);
      }
    }
  }

  #presentBeside(entry: Entry): Entry[] {
    return [...this.#entries.values()].filter((other) => other !== entry && isPresent(other));
  }

  /** Ends the engine that was not used for the longest time, if any has nothing to do. */
  #endIdle(wanted: Entry): void {
    const idle = this.#presentBeside(wanted).filter((entry) => entry.users === 0 && !this.#ending.has(entry));
    const oldest = idle.sort((a, b) => a.lastUsedAt - b.lastUsedAt)[0];
    if (oldest === undefined) return;
    this.#ending.add(oldest);
    // Its end is told as an event, which lets the next call in.
    void oldest.host.unload().finally(() => this.#ending.delete(oldest));
  }

  /** True where the model's engine may run beside these. */
  #fits(model: string, others: readonly Entry[]): boolean {
    if (others.length === 0) return true;
    const { maxEngines, host } = this.#options;
    if (maxEngines > 0 && others.length >= maxEngines) return false;
    if (host.memoryLimitBytes === 0) return true;
    const taken = others.reduce((sum, entry) => sum + this.#expectedBytes(entry.model), 0);
    return taken + this.#expectedBytes(model) <= host.memoryLimitBytes;
  }

  /** What an engine takes or will take: an estimate, or the most it was seen with where that is more. */
  #expectedBytes(model: string): number {
    const entry = this.#entries.get(model);
    if (entry !== undefined) this.#notePeak(entry);
    const estimate = this.#options.estimateBytes?.(model) ?? USUAL_ENGINE_BYTES;
    return Math.max(entry?.peakBytes ?? 0, estimate);
  }

  #notePeak(entry: Entry): void {
    entry.peakBytes = Math.max(entry.peakBytes, entry.host.status().residentBytes ?? 0);
  }
}

/** True where an engine has memory or was promised some. */
function isPresent({ users, host }: Entry): boolean {
  return users > 0 || host.status().state !== 'stopped';
}
