import type { DecoderLoad } from '../../engine/asr/decoding/recognizer.ts';
import type { WhisperBundle } from '../../engine/asr/whisper.ts';
import type { Embeddings } from '../../engine/diarization/embed-ranges.ts';
import type { FbankRanges } from '../../engine/diarization/runs.ts';
import type { ChunkPiece } from '../../engine/vad/chunking.ts';
import type { Provider } from '../../inference/session.ts';
import type { RecognizedChunk } from '../../transcript/recognized.ts';

/** What every inference worker is started with. Models are opened when first needed. */
export interface WorkerSetup {
  readonly whisper: WhisperBundle;
  readonly segmentation: string;
  readonly provider: Provider;
  /** Intra-op threads of each session. */
  readonly threads: number;
  /** Threads for a chunk that is alone in the engine. */
  readonly allThreads: number;
  readonly arena: boolean;
  /** Windows that one worker decodes together. */
  readonly capacity: number;
}

export interface RecognitionOptions {
  readonly language?: string;
  readonly task: 'transcribe' | 'translate';
  readonly words: boolean;
  readonly prompt?: string;
  readonly hotwords?: string;
  readonly beamSize: number;
}

/** Work on a recording whose samples stand in a spool file. */
export type WorkerTask =
  | { readonly kind: 'segment'; readonly spool: string; readonly startSamples: readonly number[] }
  | {
      readonly kind: 'recognize';
      readonly spool: string;
      readonly pieces: readonly ChunkPiece[];
      readonly pauseBefore: number;
      /** Nothing else waits for the processor. */
      readonly alone: boolean;
      readonly options: RecognitionOptions;
    }
  | {
      /** Which language is this? */
      readonly kind: 'hear';
      readonly spool: string;
      readonly pieces: readonly ChunkPiece[];
      readonly alone: boolean;
    }
  | {
      readonly kind: 'embed';
      readonly spool: string;
      /** Graph of the embedding model. */
      readonly graph: string;
      readonly items: readonly FbankRanges[];
    };

export type WorkerResult =
  /** Powerset class of every frame of every window, [windows * 589]. */
  | { readonly kind: 'segment'; readonly classes: Uint8Array }
  /** `chunk` is null where nothing was said, and where it is `deferred`: to be recognised in its language, once that is known. */
  | {
      readonly kind: 'recognize';
      readonly chunk: RecognizedChunk | null;
      readonly deferred: boolean;
      /** Of the decoder, since the worker told it last. */
      readonly load: DecoderLoad;
    }
  /** By ISO 639-1 code; they add up to 1. */
  | { readonly kind: 'hear'; readonly probabilities: ReadonlyMap<string, number> }
  | { readonly kind: 'embed'; readonly embeddings: Embeddings };

/** A recognition that has heard its chunk and asks for the recording's language; the reply is that, or `COME_AGAIN`. */
export interface LanguageQuestion {
  readonly probabilities: ReadonlyMap<string, number>;
}
