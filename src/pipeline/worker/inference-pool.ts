import type { DiaristError } from '../../core/errors.ts';
import { siblingModule } from '../../core/modules.ts';
import type { Embeddings } from '../../engine/diarization/embed-ranges.ts';
import { type RunOptions, WorkerPool } from '../../inference/worker-pool.ts';
import type { RecognizedChunk } from '../../transcript/recognized.ts';
import type { LanguageQuestion, WorkerResult, WorkerSetup, WorkerTask } from './protocol.ts';

type TaskOf<K extends WorkerTask['kind']> = Omit<Extract<WorkerTask, { kind: K }>, 'kind'>;
type Run = RunOptions<LanguageQuestion>;

/** The inference workers of an engine, by what they can do. */
export class InferencePool {
  readonly #pool: WorkerPool<WorkerSetup, WorkerTask, WorkerResult, LanguageQuestion>;

  constructor(setup: WorkerSetup, workers: number) {
    this.#pool = new WorkerPool({ entry: siblingModule(import.meta.url, './thread'), threads: workers, setup }, [
      { name: 'segment', perThread: 1 },
      { name: 'recognize', perThread: setup.capacity },
      { name: 'hear', perThread: 1 },
      { name: 'embed', perThread: 1 },
    ]);
  }

  ready(): Promise<void> {
    return this.#pool.ready();
  }

  /** True where no worker has anything to do. */
  get isIdle(): boolean {
    return this.#pool.isIdle;
  }

  /** Powerset class of every frame of the windows that start at these samples, [windows * 589]. */
  async segment(task: TaskOf<'segment'>, options: Run): Promise<Uint8Array> {
    return (await this.#run('segment', { kind: 'segment', ...task }, options)).classes;
  }

  /** What a chunk says; null where it says nothing. */
  async recognize(task: TaskOf<'recognize'>, options: Run): Promise<RecognizedChunk | null> {
    return (await this.#run('recognize', { kind: 'recognize', ...task }, options)).chunk;
  }

  /** How likely each language is to be the one of a chunk. */
  async hear(task: TaskOf<'hear'>, options: Run): Promise<ReadonlyMap<string, number>> {
    return (await this.#run('hear', { kind: 'hear', ...task }, options)).probabilities;
  }

  /** Resolves when an inference thread has died: nothing runs here any more. */
  get failed(): Promise<DiaristError> {
    return this.#pool.failed;
  }

  /** Speaker embeddings of items of fbank ranges, in order. */
  async embed(task: TaskOf<'embed'>, options: Run): Promise<Embeddings> {
    return (await this.#run('embed', { kind: 'embed', ...task }, options)).embeddings;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  async #run<K extends WorkerTask['kind']>(
    kind: K,
    task: Extract<WorkerTask, { kind: K }>,
    options: Run,
  ): Promise<Extract<WorkerResult, { kind: K }>> {
    return (await this.#pool.run(kind, task, options)) as Extract<WorkerResult, { kind: K }>;
  }
}
