import { readdirSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DiaristError } from '../core/errors.ts';
import type { Precision } from '../engine/asr/graphs/layers.ts';
import { AUDIO_CONTEXT, type WhisperShape } from '../engine/asr/graphs/shape.ts';
import { findTokenizerFiles } from '../engine/asr/tokenizer.ts';
import { WHISPER_GRAPH_VERSION, type WhisperBundle, writeWhisperGraphs } from '../engine/asr/whisper.ts';
import { EMBEDDING_GRAPH_VERSION, writeEmbeddingGraph } from '../engine/diarization/embedding-graph.ts';
import { cachedGraphs } from '../inference/graph-cache.ts';
import { GRAPH_VERSION, writeSegmentationGraph } from '../inference/segmentation/graph.ts';
import type { Provider } from '../inference/session.ts';
import { openWeights } from '../models/open-weights.ts';
import type { ModelStore } from '../models/store.ts';
import type { ResolvedModel } from '../models/types.ts';
import { openWhisperCheckpoint } from '../models/whisper-checkpoint.ts';
import { DEFAULT_CAPACITY, planWorkers } from './engine-memory.ts';
import type { ComputeType, EngineSettings } from './types.ts';
import type { WorkerSetup } from './worker/protocol.ts';

export const SEGMENTATION_MODEL = 'segmentation-3.0';
export const EMBEDDING_MODEL = 'campplus';

export interface EnginePlan {
  readonly workers: number;
  readonly setup: WorkerSetup;
  /** Names everything that results depend on: weights, how their graphs are written and what computes them. */
  readonly identity: string;
  /** Names of the models by stage, as transcripts report them. */
  readonly models: Readonly<Record<string, string>>;
}

/**
 * Resolves the models that an engine needs, writes their graphs where the cache does not hold them yet, and decides
 * how many workers run them.
 */
export async function planEngine(settings: EngineSettings, store: ModelStore, provider: Provider): Promise<EnginePlan> {
  const whisper = await store.ensure(settings.model);
  const segmentation = await store.ensure(SEGMENTATION_MODEL);
  const bundle = whisperBundle(settings, whisper, provider);
  const segmentationGraph = modelGraph(settings.cacheDir, segmentation, GRAPH_VERSION, writeSegmentationGraph);
  const threads = settings.threads > 0 ? settings.threads : availableParallelism();
  // More windows at once cost memory for cross-attention, fewer read the weights more often.
  const capacity = settings.batchSize > 0 ? settings.batchSize : DEFAULT_CAPACITY;
  const plan =
    provider === 'cpu'
      ? planWorkers(threads, bytesOf(bundle.folder) + capacity * windowBytes(bundle.shape))
      : { workers: 1, threadsEach: threads };
  return {
    workers: plan.workers,
    setup: {
      whisper: bundle,
      segmentation: segmentationGraph,
      provider,
      threads: plan.threadsEach,
      allThreads: threads,
      arena: false,
      capacity,
    },
    // Graphs lie in folders that are named by their version and their weights.
    identity: [basename(bundle.folder), basename(dirname(segmentationGraph)), EMBEDDING_GRAPH_VERSION, provider].join(
      ' ',
    ),
    models: {
      transcription: whisper.name,
      segmentation: segmentation.name,
    },
  };
}

/** The graph of the speaker-embedding model; fetched and written when the first recording asks who speaks. */
export async function embeddingGraph(settings: EngineSettings, store: ModelStore): Promise<string> {
  const model = await store.ensure(EMBEDDING_MODEL);
  return modelGraph(settings.cacheDir, model, EMBEDDING_GRAPH_VERSION, writeEmbeddingGraph);
}

/** int8 operators exist for the processor only; a GPU takes half precision. */
function choosePrecision(computeType: ComputeType, provider: Provider): Precision {
  if (computeType === 'auto') return provider === 'cpu' ? 'int8' : 'float16';
  if (computeType === 'int8' && provider !== 'cpu') {
    throw new DiaristError(
      'usage',
      `int8 runs on the processor: use --compute-type float16 with --device ${provider}.`,
    );
  }
  return computeType;
}

/** Keys and values of cross-attention that a window waits with for its text, in float32. */
function windowBytes({ decoderLayers, width }: WhisperShape): number {
  return decoderLayers * 2 * AUDIO_CONTEXT * width * 4;
}

/** Size of the files of a folder: what its weights take once they are loaded. */
function bytesOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

function whisperBundle(settings: EngineSettings, model: ResolvedModel, provider: Provider): WhisperBundle {
  const precision = choosePrecision(settings.computeType, provider);
  const attention = precision === 'int8' && prefersInt8Attention() ? 'int8' : 'float32';
  const checkpoint = openWhisperCheckpoint(model);
  try {
    const { dims } = checkpoint;
    if (dims.width !== dims.heads * 64 || dims.audioContext !== 1500 || dims.textContext !== 448) {
      throw new DiaristError(
        'model_unsupported',
        `${model.name} does not have the shape of a Whisper model; choose another.`,
      );
    }
    const tokenizer = findTokenizerFiles(model.dir);
    const shape = {
      mels: dims.mels,
      width: dims.width,
      heads: dims.heads,
      encoderLayers: dims.encoderLayers,
      decoderLayers: dims.decoderLayers,
      vocabulary: dims.vocabulary,
    };
    const key = [WHISPER_GRAPH_VERSION, precision, attention, shortHash(model)].join('-');
    const folder = cachedGraphs(settings.cacheDir, key, (draft) => {
      const { weights, alignmentHeads, suppressTokens, suppressTokensAtBegin } = checkpoint;
      const source = { weights, shape, alignmentHeads, suppressTokens, suppressTokensAtBegin, tokenizer };
      writeWhisperGraphs(draft, source, { precision, attention });
    });
    return { folder, shape, precision, alignmentHeads: checkpoint.alignmentHeads.length, tokenizer };
  } finally {
    checkpoint.weights.close();
  }
}

function modelGraph(
  cacheDir: string,
  model: ResolvedModel,
  version: string,
  write: (weights: ReturnType<typeof openWeights>, path: string) => void,
): string {
  const folder = cachedGraphs(cacheDir, `${version}-${shortHash(model)}`, (draft) => {
    const weights = openWeights(model);
    try {
      write(weights, join(draft, 'model.onnx'));
    } finally {
      weights.close();
    }
  });
  return join(folder, 'model.onnx');
}

const shortHash = (model: ResolvedModel): string => model.weightHash.replace(/[^0-9a-z]/gi, '').slice(0, 24);

/**
 * A whole encoding of base on one thread with int8 attention against float32: AMD Zen 4 and Intel Sapphire Rapids take a
 * tenth less and more, Intel Cascade Lake as long. Where the processor cannot be told, float32 is the more exact.
 */
function prefersInt8Attention(): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false;
  try {
    const info = readFileSync('/proc/cpuinfo', 'utf8');
    // The second feature came to Intel one generation after Cascade Lake.
    return info.includes('avx512_vnni') && info.includes('avx512_vpopcntdq');
  } catch {
    return false;
  }
}
