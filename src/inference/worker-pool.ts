import { Worker } from 'node:worker_threads';
import { DiaristError, type ErrorCode } from '../core/errors.ts';

/** What a thread of the pool receives; its `workerData` is the pool's set-up. */
export type ThreadMessage<Task> =
  | { readonly kind: 'task'; readonly id: number; readonly task: Task }
  | { readonly kind: 'reply'; readonly id: number; readonly reply: unknown }
  | { readonly kind: 'cancel'; readonly id: number };

/** What a worker answers; `notice` may come any number of times before the end of its task. */
export type WorkerMessage<Result, Notice> =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly id: number; readonly result: Result }
  | { readonly kind: 'failed'; readonly id: number; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'notice'; readonly id: number; readonly notice: Notice };

export interface PoolOptions<Setup> {
  /** Module that every thread runs. */
  readonly entry: URL;
  readonly threads: number;
  readonly setup: Setup;
}

/** What threads make on the JavaScript side is small or lives outside its heap: V8's default would hold 48 MB a thread. */
const YOUNG_GENERATION_MB = 8;
/** Some ten times what the vocabulary and the texts in work take; more is a leak, which must not grow to the machine's size. */
const OLD_GENERATION_MB = 512;

/** Kinds of work a thread holds at a time are limited apart from each other. */
export interface Lane {
  readonly name: string;
  /** Tasks of this lane that one thread may hold. */
  readonly perThread: number;
}

export interface RunOptions<Notice> {
  readonly signal?: AbortSignal;
  /** Called when a thread has taken the task. */
  readonly onStart?: () => void;
  readonly onNotice?: (notice: Notice, reply: (message: unknown) => void) => void;
}

interface Pending<Task, Result, Notice> {
  readonly task: Task;
  readonly lane: string;
  readonly onStart: (() => void) | undefined;
  readonly onNotice: ((notice: Notice, reply: (message: unknown) => void) => void) | undefined;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread<Task, Result, Notice> {
  readonly worker: Worker;
  readonly held: Map<number, Pending<Task, Result, Notice>>;
}

/**
 * Threads that share one queue. A task goes to the thread that holds the fewest of its lane. A thread that dies fails
 * all tasks and ends the pool, for the memory that it shared with the others is no longer to be trusted: whoever owns
 * the pool hears of it by {@link WorkerPool.failed} and had better end the process.
 */
export class WorkerPool<Setup, Task, Result, Notice> {
  readonly #threads: Thread<Task, Result, Notice>[] = [];
  readonly #queue: Pending<Task, Result, Notice>[] = [];
  readonly #lanes: ReadonlyMap<string, Lane>;
  readonly #ready: Promise<void>;
  #nextId = 1;
  readonly #failed = Promise.withResolvers<DiaristError>();
  #failure: DiaristError | undefined;
  #closing = false;

  constructor(options: PoolOptions<Setup>, lanes: readonly Lane[]) {
    this.#lanes = new Map(lanes.map((lane) => [lane.name, lane]));
    this.#ready = Promise.all(
      Array.from({ length: options.threads }, () => this.#start(options.entry, options.setup)),
    ).then(() => undefined);
    this.#ready.catch(() => undefined);
  }

  /** Resolves once every thread has loaded its models; rejects where one could not. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** True where nothing runs and nothing waits. */
  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#threads.every(({ held }) => held.size === 0);
  }

  /**
   * Resolves with `engine_crashed` or `engine_out_of_memory` once a thread has died; not at all where the pool is closed
   * before.
   */
  get failed(): Promise<DiaristError> {
    return this.#failed.promise;
  }

  run(lane: string, task: Task, options: RunOptions<Notice> = {}): Promise<Result> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { signal } = options;
    if (signal?.aborted === true) return Promise.reject(cancelledError());
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#cancel(pending);
      const settled = () => signal?.removeEventListener('abort', onAbort);
      const pending: Pending<Task, Result, Notice> = {
        task,
        lane,
        onStart: options.onStart,
        onNotice: options.onNotice,
        resolve: (result) => {
          settled();
          resolve(result);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#queue.push(pending);
      this.#assign();
    });
  }

  /** Takes a task out of the queue, or tells the thread that holds it that nobody waits any more. */
  #cancel(pending: Pending<Task, Result, Notice>): void {
    const index = this.#queue.indexOf(pending);
    if (index >= 0) this.#queue.splice(index, 1);
    for (const { worker, held } of this.#threads) {
      for (const [id, other] of held) {
        if (other === pending) worker.postMessage({ kind: 'cancel', id } satisfies ThreadMessage<Task>);
      }
    }
    pending.reject(cancelledError());
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#fail(new DiaristError('cancelled', 'The engine was closed.'));
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #start(entry: URL, setup: Setup): Promise<void> {
    const worker = new Worker(entry, {
      workerData: setup,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB, maxOldGenerationSizeMb: OLD_GENERATION_MB },
    });
    const thread: Thread<Task, Result, Notice> = { worker, held: new Map() };
    this.#threads.push(thread);
    return new Promise((resolve, reject) => {
      worker.on('message', (message: WorkerMessage<Result, Notice>) => {
        if (message.kind === 'ready') resolve();
        else this.#receive(thread, message);
      });
      const died = (failure: DiaristError): void => {
        reject(failure);
        if (this.#closing) return;
        this.#failed.resolve(failure);
        this.#fail(failure);
      };
      worker.on('error', (error) => died(threadFailure(error)));
      worker.on('exit', (code) => {
        died(new DiaristError('engine_crashed', `An inference thread ended with code ${code}: try again.`));
      });
    });
  }

  #receive(
    thread: Thread<Task, Result, Notice>,
    message: Exclude<WorkerMessage<Result, Notice>, { readonly kind: 'ready' }>,
  ): void {
    const pending = thread.held.get(message.id);
    if (pending === undefined) return;
    if (message.kind === 'notice') {
      pending.onNotice?.(message.notice, (reply) => {
        thread.worker.postMessage({ kind: 'reply', id: message.id, reply } satisfies ThreadMessage<Task>);
      });
      return;
    }
    thread.held.delete(message.id);
    if (message.kind === 'done') pending.resolve(message.result);
    else pending.reject(new DiaristError(message.code, message.message));
    this.#assign();
  }

  #assign(): void {
    for (let index = 0; index < this.#queue.length; ) {
      const pending = this.#queue[index]!;
      const thread = this.#freest(pending.lane);
      if (thread === undefined) {
        index++;
        continue;
      }
      this.#queue.splice(index, 1);
      const id = this.#nextId++;
      thread.held.set(id, pending);
      pending.onStart?.();
      thread.worker.postMessage({ kind: 'task', id, task: pending.task } satisfies ThreadMessage<Task>);
    }
  }

  #freest(lane: string): Thread<Task, Result, Notice> | undefined {
    const limit = this.#lanes.get(lane)?.perThread ?? 1;
    let best: Thread<Task, Result, Notice> | undefined;
    let fewest = limit;
    for (const thread of this.#threads) {
      let held = 0;
      for (const other of thread.held.values()) if (other.lane === lane) held++;
      if (held < fewest) {
        best = thread;
        fewest = held;
      }
    }
    return best;
  }

  #fail(error: DiaristError): void {
    this.#failure ??= error;
    const all = [...this.#queue, ...this.#threads.flatMap(({ held }) => [...held.values()])];
    this.#queue.length = 0;
    for (const { held } of this.#threads) held.clear();
    for (const { reject } of all) reject(error);
  }
}

/** What a thread threw that nothing in it caught; the heap's limit is told apart, for trying again does not help there. */
function threadFailure(error: unknown): DiaristError {
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new DiaristError(
      'engine_out_of_memory',
      'An inference thread ran out of memory: choose a smaller --model or a smaller --batch-size.',
      { cause: error },
    );
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new DiaristError('engine_crashed', `An inference thread failed (${reason}): try again.`, { cause: error });
}

function cancelledError(): DiaristError {
  return new DiaristError('cancelled', 'Cancelled.');
}
