import type { Config } from '../config/config.ts';
import { DiaristError } from '../core/errors.ts';
import { siblingModule } from '../core/modules.ts';
import { LONGEST_TIMER_MS } from '../core/timers.ts';
import type {
  DetectedLanguage,
  EngineSettings,
  EngineStatus,
  RunContext,
  TranscribeRequest,
  Transcriber,
  VoiceRequest,
} from '../pipeline/types.ts';
import type { Transcript } from '../transcript/types.ts';
import { engineEnvironment } from './engine-environment.ts';
import { failureOfEnd, howItEnded } from './engine-failure.ts';
import { type EngineEnd, EngineProcess } from './engine-process.ts';
import { type EngineCall, type EngineMethod, type FromEngine, type ResultOf, unpackError } from './protocol.ts';

export interface EngineHostOptions {
  readonly engine: EngineSettings;
  /** Environment of the engine process, before {@link engineEnvironment} adds to it. */
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  /** Memory of the engine process at which it is killed; 0 means no limit. */
  readonly memoryLimitBytes: number;
  /** Time without work after which the engine process ends; 0 means at once. */
  readonly idleSeconds: number;
  /** Longest silence of a started engine; 0 means any. */
  readonly hangSeconds: number;
  /** Longest time without progress while there is work, start included; 0 means any. */
  readonly stallSeconds: number;
  /** Module that the engine process runs; the product's own unless a test brings another. */
  readonly childModule?: URL;
  readonly onEvent?: (event: EngineHostEvent) => void;
}

/** What a log may say about the engine; never what was said in a recording. */
export type EngineHostEvent =
  | { readonly kind: 'started'; readonly pid: number | undefined }
  | { readonly kind: 'ended'; readonly how: string; readonly expected: boolean; readonly lastWords?: string }
  | { readonly kind: 'retrying'; readonly id: string; readonly because: string };

interface Ticket {
  readonly number: number;
  /** Absent where only a started engine is asked for. */
  readonly call: EngineCall | undefined;
  readonly context: RunContext;
  readonly promise: PromiseWithResolvers<ResultOf<EngineMethod> | undefined>;
  readonly stopListening: () => void;
  /** Was running when an engine process died: it runs once more, with no other request beside it. */
  suspect: boolean;
  fraction: number;
  /** Parts told so far; an engine that starts the request again tells them again. */
  partsTold: number;
}

const CLOSE_GRACE_MS = 1000;
/** How long the engine may take to drop a cancelled request before it is no longer trusted. */
const CANCEL_GRACE_MS = 3000;

/** The options of an engine host as the configuration has them. */
export function engineHostOptions(config: Config): EngineHostOptions {
  const { settings } = config;
  return {
    engine: {
      model: settings.model,
      device: settings.device,
      computeType: settings.computeType,
      threads: settings.threads,
      batchSize: settings.batchSize,
      cacheDir: settings.cacheDir,
      dataDir: settings.dataDir,
      ...(settings.maxInputSeconds > 0 && { maxInputSeconds: settings.maxInputSeconds }),
    },
    environment: config.environment,
    memoryLimitBytes: settings.memoryLimitBytes,
    idleSeconds: settings.idleSeconds,
    hangSeconds: settings.hangSeconds,
    stallSeconds: settings.stallSeconds,
  };
}

/**
 * Transcribes in a process of its own, so that this one stays responsive and gets all memory back. The engine process
 * starts with the first request and ends when idle. When it dies, each request that was running is tried once more,
 * alone, so that a recording that kills the engine takes no other with it; then it fails with `engine_crashed`, or
 * `engine_killed` where somebody else killed the engine. Beyond its memory limit or without a sign of life it is killed:
 * a request that ran alone fails with `engine_out_of_memory` or `engine_timeout` at once.
 */
export class EngineHost implements Transcriber {
  readonly #options: EngineHostOptions;
  readonly #running = new Map<number, Ticket>();
  /** Cancelled requests that the engine has not dropped yet. */
  readonly #cancelling = new Map<number, 'recent' | 'overdue'>();
  #waiting: Ticket[] = [];
  #process: EngineProcess | undefined;
  /** Where inference runs, once the engine process is ready. */
  #ready: { readonly device: string | undefined } | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #closed = false;
  #lastTicket = 0;

  constructor(options: EngineHostOptions) {
    this.#options = options;
  }

  /** Process id of the engine process, where one runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Throws what the pipeline throws, `cancelled` at once when the signal aborts, and `engine_crashed`,
   * `engine_out_of_memory` or `engine_timeout` when the engine process was lost. Progress never falls, even when a
   * request starts again.
   */
  transcribe(request: TranscribeRequest, context: RunContext = {}): Promise<Transcript> {
    return this.#call({ method: 'transcribe', request }, context) as Promise<Transcript>;
  }

  /** Fails as {@link transcribe} does. */
  detectLanguage(request: VoiceRequest, context: RunContext = {}): Promise<DetectedLanguage | null> {
    return this.#call({ method: 'detectLanguage', request }, context) as Promise<DetectedLanguage | null>;
  }

  /** Fails as {@link transcribe} does. */
  embedVoice(request: VoiceRequest, context: RunContext = {}): Promise<readonly number[]> {
    return this.#call({ method: 'embedVoice', request }, context) as Promise<readonly number[]>;
  }

  /** Starts the engine process where none runs, and settles when it is ready. Fails as {@link transcribe} does. */
  async load(): Promise<void> {
    await this.#call(undefined, {});
  }

  /** Ends the engine process where it has nothing to do; settles when it is gone. The next request starts another. */
  async unload(): Promise<void> {
    if (this.#running.size + this.#waiting.length > 0) return;
    clearTimeout(this.#idleTimer);
    await this.#process?.close(this.#cancelling.size > 0 ? 0 : CLOSE_GRACE_MS);
  }

  /** The engine process as it is now. */
  status(): EngineStatus {
    const { model } = this.#options.engine;
    const engine = this.#process;
    const device = this.#ready?.device;
    return {
      model,
      state: engine === undefined ? 'stopped' : this.#ready === undefined ? 'starting' : 'ready',
      running: this.#running.size + this.#waiting.length,
      ...(device !== undefined && { device }),
      ...(engine?.pid !== undefined && { pid: engine.pid }),
      ...(engine?.residentBytes !== undefined && { residentBytes: engine.residentBytes }),
      ...(engine?.metrics !== undefined && { metrics: engine.metrics }),
    };
  }

  async #call(call: EngineCall | undefined, context: RunContext): Promise<ResultOf<EngineMethod> | undefined> {
    if (this.#closed) throw failureOfEnd({ kind: 'closed' });
    if (context.signal?.aborted) throw cancelled();
    const number = ++this.#lastTicket;
    const onAbort = (): void => this.#cancel(ticket);
    const ticket: Ticket = {
      number,
      call,
      context,
      promise: Promise.withResolvers<ResultOf<EngineMethod> | undefined>(),
      stopListening: () => context.signal?.removeEventListener('abort', onAbort),
      suspect: false,
      fraction: 0,
      partsTold: 0,
    };
    context.signal?.addEventListener('abort', onAbort);
    this.#waiting.push(ticket);
    this.#dispatch();
    return ticket.promise.promise;
  }

  /** Fails what is running or waiting with `cancelled` and leaves no process behind. */
  async close(): Promise<void> {
    this.#closed = true;
    const unfinished = [...this.#running.values(), ...this.#waiting];
    for (const ticket of unfinished) this.#fail(ticket, cancelled());
    this.#waiting = [];
    this.#running.clear();
    clearTimeout(this.#idleTimer);
    await this.#process?.close(unfinished.length > 0 || this.#cancelling.size > 0 ? 0 : CLOSE_GRACE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #dispatch(): void {
    if (this.#closed || this.#process?.isEnding) return;
    // An engine that has not said yes to a cancellation may be blocked: nothing new goes there until it has.
    if ([...this.#cancelling.values()].includes('recent')) return;
    while (this.#waiting.length > 0) {
      const next = this.#waiting[0]!;
      const lonely = next.suspect || [...this.#running.values()].some((ticket) => ticket.suspect);
      if (lonely && this.#running.size > 0) break;
      this.#waiting.shift();
      this.#running.set(next.number, next);
      clearTimeout(this.#idleTimer);
      const engine = this.#startedProcess();
      if (engine === undefined) continue;
      engine.setBusy(true);
      if (this.#ready !== undefined) this.#hand(next, engine);
    }
  }

  /** Gives a request to an engine that is ready. */
  #hand({ number, call, promise }: Ticket, engine: EngineProcess): void {
    if (call !== undefined) {
      engine.send({ type: 'call', ticket: number, call });
      return;
    }
    this.#running.delete(number);
    promise.resolve(undefined);
    this.#afterRequest();
  }

  #startedProcess(): EngineProcess | undefined {
    if (this.#process !== undefined) return this.#process;
    const { engine, memoryLimitBytes, hangSeconds, stallSeconds } = this.#options;
    try {
      this.#ready = undefined;
      const started = new EngineProcess(
        {
          engine,
          childModule: this.#options.childModule ?? siblingModule(import.meta.url, './child'),
          environment: engineEnvironment(this.#options.environment),
          memoryLimitBytes,
          hangSeconds,
          stallSeconds,
        },
        { onMessage: (message) => this.#receive(message), onEnd: (end) => this.#onEnd(end) },
      );
      this.#process = started;
      this.#options.onEvent?.({ kind: 'started', pid: started.pid });
      return started;
    } catch (error) {
      for (const ticket of this.#running.values()) this.#fail(ticket, error);
      this.#running.clear();
      return undefined;
    }
  }

  #receive(message: FromEngine): void {
    if (message.type === 'ready') {
      this.#ready = { device: message.device };
      const engine = this.#process;
      if (engine !== undefined) for (const ticket of [...this.#running.values()]) this.#hand(ticket, engine);
      return;
    }
    if (message.type === 'heartbeat' || message.type === 'startup-failed') return;
    const ticket = this.#running.get(message.ticket);
    if (message.type === 'progress') {
      if (ticket === undefined) return;
      ticket.fraction = Math.max(ticket.fraction, message.progress.fraction);
      ticket.context.onProgress?.({ ...message.progress, fraction: ticket.fraction });
      return;
    }
    if (message.type === 'part') {
      if (ticket === undefined || message.part.index < ticket.partsTold) return;
      ticket.partsTold = message.part.index + 1;
      ticket.context.onPart?.(message.part);
      return;
    }
    this.#cancelling.delete(message.ticket);
    this.#running.delete(message.ticket);
    ticket?.stopListening();
    if (message.type === 'result') ticket?.promise.resolve(message.result);
    else ticket?.promise.reject(unpackError(message.error));
    this.#afterRequest();
  }

  #afterRequest(): void {
    this.#dispatch();
    if (this.#running.size > 0) return;
    if (this.#cancelling.size > 0) {
      if (![...this.#cancelling.values()].includes('recent')) this.#process?.kill();
      return;
    }
    this.#process?.setBusy(false);
    clearTimeout(this.#idleTimer);
    const idleMs = Math.min(this.#options.idleSeconds * 1000, LONGEST_TIMER_MS);
    this.#idleTimer = setTimeout(() => void this.#process?.close(CLOSE_GRACE_MS), idleMs);
    // Waiting for idleness must not keep a finished program alive; the engine ends with its parent anyway.
    this.#idleTimer.unref();
  }

  #cancel(ticket: Ticket): void {
    this.#fail(ticket, cancelled());
    this.#waiting = this.#waiting.filter((other) => other !== ticket);
    if (!this.#running.delete(ticket.number)) return;
    if (this.#ready === undefined) {
      this.#afterRequest();
      return;
    }
    const engine = this.#process;
    this.#cancelling.set(ticket.number, 'recent');
    engine?.send({ type: 'cancel', ticket: ticket.number });
    setTimeout(() => {
      if (this.#process !== engine || !this.#cancelling.has(ticket.number)) return;
      this.#cancelling.set(ticket.number, 'overdue');
      if (this.#running.size === 0) engine?.kill();
      else this.#dispatch();
    }, CANCEL_GRACE_MS).unref();
  }

  #onEnd(end: EngineEnd): void {
    const lost = [...this.#running.values()];
    const beingCancelled = this.#cancelling.size;
    this.#process = undefined;
    this.#ready = undefined;
    this.#running.clear();
    this.#cancelling.clear();
    clearTimeout(this.#idleTimer);
    this.#options.onEvent?.({
      kind: 'ended',
      how: howItEnded(end),
      expected: end.kind === 'closed',
      ...(end.kind === 'crash' && end.lastWords !== '' ? { lastWords: end.lastWords } : {}),
    });
    const again = lost.filter((ticket) => isWorthAnotherTry(ticket, end, lost.length + beingCancelled));
    for (const ticket of lost) {
      if (!again.includes(ticket)) {
        this.#fail(ticket, failureOfEnd(end));
      } else if (end.kind !== 'closed') {
        ticket.suspect = true;
        this.#options.onEvent?.({ kind: 'retrying', id: ticket.call?.request.id ?? 'load', because: howItEnded(end) });
      }
    }
    this.#waiting = [...again, ...this.#waiting];
    this.#dispatch();
  }

  #fail(ticket: Ticket, error: unknown): void {
    ticket.stopListening();
    ticket.promise.reject(error);
  }
}

function isWorthAnotherTry(ticket: Ticket, end: EngineEnd, requestsLost: number): boolean {
  if (end.kind === 'closed') return true;
  if (end.kind === 'startup' || ticket.suspect) return false;
  // A request that hung or ran out of memory alone will do so again; among several, nobody knows whose fault it was.
  return end.kind === 'crash' || end.kind === 'killed' || requestsLost > 1;
}

function cancelled(): DiaristError {
  return new DiaristError('cancelled', 'Cancelled.');
}
