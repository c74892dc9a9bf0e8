import type { Embeddings } from '../engine/diarization/embed-ranges.ts';
import { EMBEDDING_SIZE } from '../engine/diarization/embedding-graph.ts';
import type { FbankRanges } from '../engine/diarization/runs.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { InferencePool, TaskOptions } from './worker/inference-pool.ts';

/** Items handed to a worker at a time: enough to fill batches of one length, few enough to share the work evenly. */
const ITEMS_PER_TASK = 64;

export interface EmbeddingWork {
  readonly spoolPath: string;
  /** Graph of the speaker-embedding model. */
  readonly graph: string;
  readonly pool: InferencePool;
  readonly run: TaskOptions;
  /** Keeps what is done, and knows what was done before. */
  readonly checkpoint?: Checkpoint | undefined;
  /** Share of the items that are done. */
  readonly onProgress?: (fraction: number) => void;
}

/** Embeds items of fbank ranges, in the order given, on all workers. */
export async function embedItems(items: readonly FbankRanges[], work: EmbeddingWork): Promise<Embeddings> {
  const vectors = new Float32Array(items.length * EMBEDDING_SIZE);
  const bandDifferences = new Float32Array(items.length);
  let done = 0;
  const tasks: Promise<void>[] = [];
  for (let from = 0; from < items.length; from += ITEMS_PER_TASK) {
    const part = items.slice(from, from + ITEMS_PER_TASK);
    const task = embedPart(part, work).then((embeddings) => {
      vectors.set(embeddings.vectors, from * EMBEDDING_SIZE);
      bandDifferences.set(embeddings.bandDifferences, from);
      done += part.length;
      work.onProgress?.(done / items.length);
    });
    tasks.push(task);
  }
  await Promise.all(tasks);
  return { vectors, bandDifferences };
}

async function embedPart(items: readonly FbankRanges[], work: EmbeddingWork): Promise<Embeddings> {
  const { pool, run, graph, checkpoint } = work;
  const kept = checkpoint?.embeddings(items);
  if (kept !== undefined) return kept;
  const embeddings = await pool.embed({ spool: work.spoolPath, graph, items }, run);
  checkpoint?.keepEmbeddings(items, embeddings);
  return embeddings;
}
