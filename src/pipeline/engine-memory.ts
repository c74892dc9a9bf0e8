import { totalmem } from 'node:os';
import { catalogueEntry } from '../models/catalogue.ts';

/** Of the process itself, and the audio and results that pass through it. */
const PROCESS_BYTES = 150e6;
/** Runtime, activations of one encoded window and the models for speech and speakers, in every worker. */
const WORKER_BYTES = 200e6;
/** Share of the memory that may be planned with: the rest is for whoever else runs here. */
const PLANNED_SHARE = 0.8;
/** More workers than this gain little and cost a set of models each, … */
const USUAL_WORKERS = 4;
/** … but up to here one more is better than threads that go unused. */
const MOST_WORKERS = 7;

/** Of catalogue models, against what their weights take as published (half precision). */
const INT8_SHARE = 0.6;
/** Keys and values that a window waits with for its text: 0.12 (tiny, with its wide vocabulary) to 0.25 of base's weights. */
const WINDOW_SHARE = 0.2;
/** Windows decoded together where nobody says otherwise. */
export const DEFAULT_CAPACITY = 6;

/** How many workers run the models, and the threads of each. */
export interface WorkerPlan {
  readonly workers: number;
  readonly threadsEach: number;
}

/** Memory that this process may use: the limit of its container where there is one. */
function usableBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/**
 * As many workers as leave no thread unused, as far as memory reaches; one thread a worker beats two workers' worth of
 * threads in one (measured with two: 8.6 s against 11.5 s). `bytesEach`: weights and windows of one worker.
 */
export function planWorkers(threads: number, bytesEach: number, memoryBytes: number = usableBytes()): WorkerPlan {
  const room = Math.floor((memoryBytes * PLANNED_SHARE - PROCESS_BYTES) / (bytesEach + WORKER_BYTES));
  const most = Math.max(1, Math.min(threads, MOST_WORKERS, room));
  let best: WorkerPlan = { workers: most, threadsEach: Math.floor(threads / most) };
  for (let workers = most; workers >= Math.min(most, USUAL_WORKERS); workers--) {
    const threadsEach = Math.floor(threads / workers);
    if (workers * threadsEach >= best.workers * best.threadsEach) best = { workers, threadsEach };
  }
  return best;
}

/**
 * Memory that an engine is expected to take with a model of the catalogue, before it has ever run; undefined for others.
 * `threads` and `batchSize` as the settings have them (0: chosen).
 */
export function estimateEngineBytes(model: string, threads: number, batchSize: number): number | undefined {
  const published = catalogueEntry(model)?.bytes;
  if (published === undefined) return undefined;
  const windows = batchSize > 0 ? batchSize : DEFAULT_CAPACITY;
  const bytesEach = published * (INT8_SHARE + windows * WINDOW_SHARE);
  const { workers } = planWorkers(threads, bytesEach);
  return PROCESS_BYTES + workers * (bytesEach + WORKER_BYTES);
}
