import { join } from 'node:path';
import type { WeightSource } from '../../core/tensors.ts';
import { openSession, type Provider } from '../../inference/session.ts';
import { EncoderSessions } from './decoding/encoder-sessions.ts';
import { Recognizer } from './decoding/recognizer.ts';
import { WhisperModel } from './decoding/whisper-model.ts';
import { writeDecoderGraph } from './graphs/decoder.ts';
import { writeEncoderGraph } from './graphs/encoder.ts';
import type { Precision } from './graphs/layers.ts';
import type { WhisperShape } from './graphs/shape.ts';
import { loadTokenizer, type TokenizerFiles, type WhisperTokenizer } from './tokenizer.ts';

/** Changes whenever the graphs written from the same weights change; keys the graph cache. */
export const WHISPER_GRAPH_VERSION = 'whisper-2';

/** Positions an encoder layer handles together, so that its activations stay in a core's second-level cache. */
const ROW_BLOCK = 125;
/** The int8 attention of one block is eight heads wide: fewer, larger blocks load faster and run as fast. */
const ROW_BLOCK_INT8_ATTENTION = 250;

/** What the graphs are written from; the pipeline reads it from a checkpoint. */
export interface WhisperWeights {
  readonly weights: WeightSource;
  readonly shape: WhisperShape;
  readonly alignmentHeads: readonly (readonly [layer: number, head: number])[];
  readonly suppressTokens: readonly number[];
  readonly suppressTokensAtBegin: readonly number[];
  readonly tokenizer: TokenizerFiles;
}

export interface WhisperGraphOptions {
  readonly precision: Precision;
  /** Arithmetic of the encoder's attention, see `EncoderGraphOptions`. */
  readonly attention: Precision;
}

/** What a worker needs to open graphs that {@link writeWhisperGraphs} wrote; can be sent between threads. */
export interface WhisperBundle {
  readonly folder: string;
  readonly shape: WhisperShape;
  readonly precision: Precision;
  readonly alignmentHeads: number;
  readonly tokenizer: TokenizerFiles;
}

/** Writes `encoder.onnx` and `decoder.onnx` into a folder. */
export function writeWhisperGraphs(folder: string, model: WhisperWeights, options: WhisperGraphOptions): void {
  const tokenizer = loadTokenizer(model.tokenizer);
  const { precision, attention } = options;
  const rowBlock = attention === 'int8' ? ROW_BLOCK_INT8_ATTENTION : ROW_BLOCK;
  writeEncoderGraph(join(folder, 'encoder.onnx'), model.weights, model.shape, { precision, attention, rowBlock });
  writeDecoderGraph(join(folder, 'decoder.onnx'), model.weights, model.shape, {
    precision,
    alignmentHeads: model.alignmentHeads,
    suppressed: suppressedTokens(model, tokenizer),
    suppressedAtBegin: model.suppressTokensAtBegin,
    probed: [tokenizer.special.noSpeech, ...tokenizer.languageTokens.values()],
  });
}

export interface OpenWhisperOptions {
  readonly provider: Provider;
  /** Threads of the decoder, and of the encoder while other workers encode as well. */
  readonly threads: number;
  /** Threads of the encoder for a window that is alone; default: as many. */
  readonly allThreads?: number;
  readonly arena: boolean;
  /** Windows decoded together. */
  readonly capacity: number;
}

/** Opens the graphs of a bundle in this thread. */
export async function openWhisper(
  bundle: WhisperBundle,
  { capacity, allThreads, ...options }: OpenWhisperOptions,
): Promise<{ recognizer: Recognizer; tokenizer: WhisperTokenizer; release(): Promise<void> }> {
  const tokenizer = loadTokenizer(bundle.tokenizer);
  const session = { ...options, optimize: false };
  const encoder = new EncoderSessions({ share: options.threads, all: allThreads ?? options.threads }, (threads) =>
    openSession(join(bundle.folder, 'encoder.onnx'), { ...session, threads }),
  );
  const decoder = await openSession(join(bundle.folder, 'decoder.onnx'), session);
  const { shape, precision } = bundle;
  const model = new WhisperModel({ encoder, decoder, shape, precision, capacity });
  return {
    recognizer: new Recognizer(model, tokenizer, bundle.alignmentHeads),
    tokenizer,
    release: () => model.release(),
  };
}

/** What the checkpoint suppresses, and everything that is not text: decoding runs without timestamps. */
function suppressedTokens(model: WhisperWeights, tokenizer: WhisperTokenizer): number[] {
  const { special } = tokenizer;
  const result = new Set(model.suppressTokens);
  for (let token = special.eot + 1; token < model.shape.vocabulary; token++) result.add(token);
  return [...result];
}
