import type { Seconds } from '../core/units.ts';
import { diarize, type Diarization as Speech } from '../engine/diarization/diarize.ts';
import type { Embeddings } from '../engine/diarization/embed-ranges.ts';
import { EMBEDDING_SIZE } from '../engine/diarization/embedding-graph.ts';
import type { FbankRanges } from '../engine/diarization/runs.ts';
import type { RunOptions } from '../inference/worker-pool.ts';
import type { Speaker } from '../transcript/types.ts';
import type { TranscribeOptions } from './types.ts';
import type { InferencePool } from './worker/inference-pool.ts';
import type { LanguageQuestion } from './worker/protocol.ts';

/** Items handed to a worker at a time: enough to fill batches of one length, few enough to share the work evenly. */
const ITEMS_PER_TASK = 64;

export interface Diarization extends Speech {
  /** Wall time. */
  readonly seconds: Seconds;
}

export interface DiarizationWork {
  readonly spoolPath: string;
  /** Graph of the speaker-embedding model, once it is there. */
  readonly embeddingGraph: () => Promise<string>;
  /** Powerset classes of all windows, [windows * 589]. */
  readonly classes: Uint8Array;
  readonly hopSamples: number;
  readonly totalSamples: number;
  readonly options: TranscribeOptions;
  readonly pool: InferencePool;
  readonly run: RunOptions<LanguageQuestion>;
  /** Share of the embeddings that are done. */
  readonly onProgress: (fraction: number) => void;
}

/** Finds who spoke when in a segmented recording; embeddings are computed by the inference workers. */
export async function diarizeRecording(work: DiarizationWork): Promise<Diarization> {
  const startedAt = performance.now();
  const { classes, hopSamples, totalSamples, options } = work;
  const { speakers, minSpeakers, maxSpeakers } = options;
  const speech = await diarize(
    { classes, hopSamples, totalSamples, embed: (items) => embed(work, items) },
    {
      ...(speakers === undefined ? {} : { speakers }),
      ...(minSpeakers === undefined ? {} : { minSpeakers }),
      ...(maxSpeakers === undefined ? {} : { maxSpeakers }),
    },
  );
  work.onProgress(1);
  const told = options.speakerEmbeddings ? speech.speakers : speech.speakers.map(withoutEmbedding);
  return { ...speech, speakers: told, seconds: (performance.now() - startedAt) / 1000 };
}

async function embed(work: DiarizationWork, items: readonly FbankRanges[]): Promise<Embeddings> {
  const graph = await work.embeddingGraph();
  const vectors = new Float32Array(items.length * EMBEDDING_SIZE);
  const bandDifferences = new Float32Array(items.length);
  let done = 0;
  const tasks: Promise<void>[] = [];
  for (let from = 0; from < items.length; from += ITEMS_PER_TASK) {
    const part = items.slice(from, from + ITEMS_PER_TASK);
    const task = work.pool.embed({ spool: work.spoolPath, graph, items: part }, work.run).then((embeddings) => {
      vectors.set(embeddings.vectors, from * EMBEDDING_SIZE);
      bandDifferences.set(embeddings.bandDifferences, from);
      done += part.length;
      work.onProgress(done / items.length);
    });
    tasks.push(task);
  }
  await Promise.all(tasks);
  return { vectors, bandDifferences };
}

function withoutEmbedding({ embedding: _, ...speaker }: Speaker): Speaker {
  return speaker;
}
