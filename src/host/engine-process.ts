import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { DiaristError } from '../core/errors.ts';
import type { EngineMetrics, EngineSettings } from '../pipeline/types.ts';
import { oomKills } from './oom-kills.ts';
import { type FromEngine, type ToEngine, unpackError } from './protocol.ts';
import { residentBytes } from './resident-memory.ts';
import { createSpoolFolder, removeSpoolFolder } from './spool-folder.ts';

export interface EngineProcessOptions {
  readonly engine: EngineSettings;
  /** Module that calls `serveEngine`. */
  readonly childModule: URL;
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  /** 0 means no limit. */
  readonly memoryLimitBytes: number;
  /** Longest silence, once ready; 0 means any. */
  readonly hangSeconds: number;
  /** Longest time without progress or result while there is work; 0 means any. */
  readonly stallSeconds: number;
}

/** Why an engine process is gone. */
export type EngineEnd =
  | { readonly kind: 'closed' }
  | { readonly kind: 'startup'; readonly error: DiaristError }
  | {
      readonly kind: 'crash';
      readonly exitCode: number | null;
      readonly signal: NodeJS.Signals | null;
      /** End of what it wrote to standard error. */
      readonly lastWords: string;
    }
  /** Somebody sent it SIGKILL, neither this program nor the kernel for want of memory. */
  | { readonly kind: 'killed' }
  | { readonly kind: 'memory'; readonly residentBytes: number; readonly limitBytes: number }
  | { readonly kind: 'hang' | 'stall'; readonly seconds: number };

export interface EngineProcessEvents {
  readonly onMessage: (message: FromEngine) => void;
  readonly onEnd: (end: EngineEnd) => void;
}

/** Elsewhere than on Linux, asking for the memory of a process starts another process. */
const WATCH_INTERVAL_MS = process.platform === 'linux' ? 200 : 1000;
const HEARTBEATS_PER_HANG = 5;
const SLOWEST_HEARTBEAT_MS = 1000;
const LAST_WORDS_LENGTH = 4000;

/** One engine process and the watch over it: memory, signs of life, progress. It is never started a second time. */
export class EngineProcess {
  readonly #options: EngineProcessOptions;
  readonly #events: EngineProcessEvents;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #watch: NodeJS.Timeout;
  readonly #ended: Promise<void>;
  readonly #killWithParent = (): void => void this.#child.kill('SIGKILL');
  readonly #oomKillsBefore = oomKills();
  #end: EngineEnd | undefined;
  #ready = false;
  #busy = false;
  #lastWords = '';
  #residentBytes: number | undefined;
  #metrics: EngineMetrics | undefined;
  #lastSignAt = performance.now();
  #lastProgressAt = performance.now();
  #lastWatchAt = performance.now();

  /** Throws `output_unwritable` where the data folder cannot be written to. */
  constructor(options: EngineProcessOptions, events: EngineProcessEvents) {
    this.#options = options;
    this.#events = events;
    this.#folder = createSpoolFolder(options.engine.dataDir);
    this.#child = fork(fileURLToPath(options.childModule), [], {
      serialization: 'advanced',
      env: { ...options.environment },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS_LENGTH);
    });
    this.#child.on('message', (message: FromEngine) => this.#receive(message));
    // A message to a process that just died fails here too; its end is told by `exit`.
    this.#child.on('error', () => {});
    this.#ended = new Promise((settle) => {
      const settleOnce = (exitCode: number | null, signal: NodeJS.Signals | null): void => {
        void this.#conclude(exitCode, signal).then(settle);
      };
      this.#child.once('exit', settleOnce);
      this.#child.once('error', () => {
        if (this.#child.pid === undefined) settleOnce(null, null);
      });
    });
    // Before the spool folder is removed, so that nothing is written to it any more.
    process.prependOnceListener('exit', this.#killWithParent);
    this.#watch = setInterval(() => void this.#check(), WATCH_INTERVAL_MS).unref();
    const hangMs = options.hangSeconds * 1000;
    const heartbeatMs = Math.min(
      SLOWEST_HEARTBEAT_MS,
      hangMs > 0 ? hangMs / HEARTBEATS_PER_HANG : SLOWEST_HEARTBEAT_MS,
    );
    this.send({ type: 'start', settings: { ...options.engine, dataDir: this.#folder }, heartbeatMs });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Memory that the process took when it was last looked at. */
  get residentBytes(): number | undefined {
    return this.#residentBytes;
  }

  /** What the process has done, as it last told. */
  get metrics(): EngineMetrics | undefined {
    return this.#metrics;
  }

  /** True once it was told to end or has ended: it takes no more work. */
  get isEnding(): boolean {
    return this.#end !== undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  send(message: ToEngine): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** While busy or ending, the engine keeps this process alive; while busy it is watched for progress. */
  setBusy(busy: boolean): void {
    if (busy && !this.#busy) this.#lastProgressAt = performance.now();
    this.#busy = busy;
    // Whoever ends it waits until it is gone: its last answers must not let this process go before.
    if (busy || this.#end !== undefined) {
      this.#child.ref();
      this.#child.channel?.ref();
    } else {
      this.#child.unref();
      this.#child.channel?.unref();
    }
  }

  /** Ends the process in good order within `graceMs`, else by force. Settles when it is gone and its folder removed. */
  async close(graceMs: number): Promise<void> {
    this.#end ??= { kind: 'closed' };
    this.#child.ref();
    this.send({ type: 'close' });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    await this.#ended;
    clearTimeout(timer);
  }

  /** Ends the process at once. `onEnd` tells when it is gone. */
  kill(end: EngineEnd = { kind: 'closed' }): void {
    this.#end ??= end;
    this.#child.kill('SIGKILL');
  }

  #receive(message: FromEngine): void {
    this.#lastSignAt = performance.now();
    if (message.type !== 'heartbeat') this.#lastProgressAt = this.#lastSignAt;
    else {
      this.#metrics = message.metrics;
      if (process.platform === 'win32') this.#checkMemory(message.residentBytes);
    }
    if (message.type === 'ready') this.#ready = true;
    if (message.type === 'startup-failed') this.#end ??= { kind: 'startup', error: unpackError(message.error) };
    else this.#events.onMessage(message);
  }

  async #check(): Promise<void> {
    const now = performance.now();
    const sinceLastWatch = now - this.#lastWatchAt;
    this.#lastWatchAt = now;
    if (this.isEnding || this.pid === undefined) return;
    if (sinceLastWatch > 10 * WATCH_INTERVAL_MS) {
      // This process itself did not run (a suspended machine): the engine's silence in that time says nothing.
      this.#lastSignAt += sinceLastWatch;
      this.#lastProgressAt += sinceLastWatch;
    }
    const { hangSeconds, stallSeconds } = this.#options;
    if (this.#ready && hangSeconds > 0 && now - this.#lastSignAt > hangSeconds * 1000) {
      this.kill({ kind: 'hang', seconds: hangSeconds });
    } else if (this.#busy && stallSeconds > 0 && now - this.#lastProgressAt > stallSeconds * 1000) {
      this.kill({ kind: 'stall', seconds: stallSeconds });
    } else {
      this.#checkMemory(await residentBytes(this.pid));
    }
  }

  #checkMemory(resident: number | undefined): void {
    const limitBytes = this.#options.memoryLimitBytes;
    this.#residentBytes = resident ?? this.#residentBytes;
    if (resident === undefined || limitBytes === 0 || resident <= limitBytes || this.isEnding) return;
    this.kill({ kind: 'memory', residentBytes: resident, limitBytes });
  }

  async #conclude(exitCode: number | null, signal: NodeJS.Signals | null): Promise<void> {
    clearInterval(this.#watch);
    process.off('exit', this.#killWithParent);
    const wasKilled = signal === 'SIGKILL' && this.#oomKillsBefore !== undefined && oomKills() === this.#oomKillsBefore;
    this.#end ??= wasKilled
      ? { kind: 'killed' }
      : { kind: 'crash', exitCode, signal, lastWords: this.#lastWords.trim() };
    await removeSpoolFolder(this.#folder);
    this.#events.onEnd(this.#end);
  }
}
