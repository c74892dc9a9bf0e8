import type { DiaristError } from '../../core/errors.ts';
import { siblingModule } from '../../core/modules.ts';
import type { Embeddings } from '../../engine/diarization/embed-ranges.ts';
import { type RunOptions, WorkerPool } from '../../inference/worker-pool.ts';
import type { RecognizedChunk } from '../../transcript/recognized.ts';
import type { EngineMetrics } from '../types.ts';
import { FairLane, type Turn } from './fair-lane.ts';
import { LanguageDesk } from './language-desk.ts';
import type { LanguageQuestion, WorkerResult, WorkerSetup, WorkerTask } from './protocol.ts';

type Kind = WorkerTask['kind'];
type TaskOf<K extends Kind> = Omit<Extract<WorkerTask, { kind: K }>, 'kind'>;
type ResultOf<K extends Kind> = Extract<WorkerResult, { kind: K }>;

export interface TaskOptions {
  readonly turn: Turn;
  readonly signal?: AbortSignal;
}

export interface RecognizeOptions extends TaskOptions {
  /** What a task costs its flow: seconds of audio. */
  readonly seconds: number;
  /** Decides the language of a task that has none, given what its chunk sounds like. */
  readonly decideLanguage: (probabilities: ReadonlyMap<string, number>) => Promise<string>;
}

/**
 * The inference workers of an engine, by what they can do. Each kind of work is a lane: flows of recordings take turns in
 * it, see {@link FairLane}.
 */
export class InferencePool {
  readonly #pool: WorkerPool<WorkerSetup, WorkerTask, WorkerResult, LanguageQuestion>;
  readonly #lanes: Readonly<Record<Kind, FairLane>>;
  readonly #languages: LanguageDesk;
  readonly #capacity: number;
  readonly #taskSeconds: Record<Kind, number> = { segment: 0, recognize: 0, hear: 0, embed: 0 };
  #decoderSteps = 0;
  #decodedWindows = 0;

  constructor(setup: WorkerSetup, workers: number) {
    const perThread: Readonly<Record<Kind, number>> = { segment: 1, recognize: setup.capacity, hear: 1, embed: 1 };
    const kinds = Object.keys(perThread) as Kind[];
    this.#pool = new WorkerPool(
      { entry: siblingModule(import.meta.url, './thread'), threads: workers, setup },
      kinds.map((name) => ({ name, perThread: perThread[name] })),
    );
    // A slot of each worker's batch stays free for whoever comes next, and one worker for their segmentation.
    this.#lanes = {
      segment: new FairLane(workers, workers > 1 ? 1 : 0),
      recognize: new FairLane(workers * setup.capacity, setup.capacity > 1 ? workers : 0),
      hear: new FairLane(workers),
      embed: new FairLane(workers, workers > 1 ? 1 : 0),
    };
    this.#languages = new LanguageDesk(this.#lanes.recognize);
    this.#capacity = setup.capacity;
  }

  ready(): Promise<void> {
    return this.#pool.ready();
  }

  /** True where no worker has anything to do. */
  get isIdle(): boolean {
    return this.#pool.isIdle && Object.values(this.#lanes).every((lane) => lane.running === 0 && !lane.hasWaiting);
  }

  /** Resolves when an inference thread has died: nothing runs here any more. */
  get failed(): Promise<DiaristError> {
    return this.#pool.failed;
  }

  metrics(): EngineMetrics {
    return {
      decoderSteps: this.#decoderSteps,
      decodedWindows: this.#decodedWindows,
      batchCapacity: this.#capacity,
      taskSeconds: { ...this.#taskSeconds },
    };
  }

  /** Powerset class of every frame of the windows that start at these samples, [windows * 589]. */
  async segment(task: TaskOf<'segment'>, options: TaskOptions): Promise<Uint8Array> {
    return (await this.#run({ kind: 'segment', ...task }, task.startSamples.length, options)).classes;
  }

  /** What a chunk says; null where it says nothing. */
  async recognize(task: TaskOf<'recognize'>, options: RecognizeOptions): Promise<RecognizedChunk | null> {
    let decided: Promise<string> | undefined;
    const onNotice: RunOptions<LanguageQuestion>['onNotice'] = ({ probabilities }, reply) => {
      decided = options.decideLanguage(probabilities);
      this.#languages.ask(decided, reply, options.signal);
    };
    const work = this.#run({ kind: 'recognize', ...task }, options.seconds, options, onNotice);
    // It may wait for a slot now that those who have one keep for as long as they wait for it.
    this.#languages.checkForStandstill();
    const first = await work;
    this.#languages.checkForStandstill();
    if (!first.deferred || decided === undefined) return first.chunk;
    const language = await decided;
    const again = { ...task, options: { ...task.options, language } };
    return (await this.#run({ kind: 'recognize', ...again }, options.seconds, options)).chunk;
  }

  /** How likely each language is to be the one of a chunk. */
  async hear(task: TaskOf<'hear'>, options: TaskOptions): Promise<ReadonlyMap<string, number>> {
    return (await this.#run({ kind: 'hear', ...task }, 1, options)).probabilities;
  }

  /** Speaker embeddings of items of fbank ranges, in order. */
  async embed(task: TaskOf<'embed'>, options: TaskOptions): Promise<Embeddings> {
    return (await this.#run({ kind: 'embed', ...task }, task.items.length, options)).embeddings;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  #run<K extends Kind>(
    task: Extract<WorkerTask, { kind: K }>,
    cost: number,
    { turn, signal }: TaskOptions,
    onNotice?: RunOptions<LanguageQuestion>['onNotice'],
  ): Promise<ResultOf<K>> {
    const kind: Kind = task.kind;
    const options = { ...(signal === undefined ? {} : { signal }), ...(onNotice === undefined ? {} : { onNotice }) };
    const work = async (): Promise<ResultOf<K>> => {
      const startedAt = performance.now();
      try {
        const result = await this.#pool.run(kind, task, options);
        if (result.kind === 'recognize') {
          this.#decoderSteps += result.load.steps;
          this.#decodedWindows += result.load.windows;
        }
        return result as ResultOf<K>;
      } finally {
        this.#taskSeconds[kind] += (performance.now() - startedAt) / 1000;
      }
    };
    return this.#lanes[kind].run(turn, cost, work, signal);
  }
}
