import { type Diarization, diarize } from '../engine/diarization/diarize.ts';
import type { Speaker } from '../transcript/types.ts';
import type { Checkpoint } from './checkpoint.ts';
import { embedItems } from './embedding-tasks.ts';
import { nameSpeakers } from './known-speakers.ts';
import type { TranscribeOptions } from './types.ts';
import type { InferencePool, TaskOptions } from './worker/inference-pool.ts';

export interface DiarizationWork {
  readonly spoolPath: string;
  /** Graph of the speaker-embedding model, once it is there. */
  readonly embeddingGraph: () => Promise<string>;
  /** Powerset classes of all windows, [windows * 589]. */
  readonly classes: Uint8Array;
  readonly hopSamples: number;
  readonly totalSamples: number;
  readonly options: TranscribeOptions;
  readonly checkpoint: Checkpoint | undefined;
  readonly pool: InferencePool;
  readonly run: TaskOptions;
  /** Share of the embeddings that are done. */
  readonly onProgress: (fraction: number) => void;
}

/** Finds who spoke when in a segmented recording; embeddings are computed by the inference workers. */
export async function diarizeRecording(work: DiarizationWork): Promise<Diarization> {
  const { classes, hopSamples, totalSamples, options } = work;
  const { speakers, minSpeakers, maxSpeakers } = options;
  const speech = await diarize(
    {
      classes,
      hopSamples,
      totalSamples,
      embed: async (items) => embedItems(items, { ...work, graph: await work.embeddingGraph() }),
    },
    {
      ...(speakers === undefined ? {} : { speakers }),
      ...(minSpeakers === undefined ? {} : { minSpeakers }),
      ...(maxSpeakers === undefined ? {} : { maxSpeakers }),
    },
  );
  work.onProgress(1);
  const named = nameSpeakers(speech, options.knownSpeakers ?? []);
  return options.speakerEmbeddings ? named : { ...named, speakers: named.speakers.map(withoutEmbedding) };
}

function withoutEmbedding({ embedding: _, ...speaker }: Speaker): Speaker {
  return speaker;
}
