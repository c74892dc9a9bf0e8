import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DiaristError } from '../core/errors.ts';
import type { WeightSource } from '../core/tensors.ts';
import { openWeights } from './open-weights.ts';
import { corruptFile } from './readers/range-file.ts';
import type { ResolvedModel } from './types.ts';
import {
  type AlignmentHead,
  defaultAlignmentHeads,
  defaultSuppressTokens,
  defaultSuppressTokensAtBegin,
  MULTILINGUAL_VOCABULARY,
} from './whisper-defaults.ts';
import { canonicalWhisperWeights, countLayers } from './whisper-weights.ts';

export interface WhisperDims {
  /** Mel bands of the input, 80 or 128. */
  readonly mels: number;
  /** Encoder positions, 1500 (30 s). */
  readonly audioContext: number;
  /** Decoder positions, 448. */
  readonly textContext: number;
  readonly width: number;
  readonly heads: number;
  readonly encoderLayers: number;
  readonly decoderLayers: number;
  readonly vocabulary: number;
}

/** A Whisper model of any file format, under one set of names. */
export interface WhisperCheckpoint {
  /** Named as CTranslate2 names them, e.g. `decoder/layer_0/attention/linear_1/weight`. The caller closes it. */
  readonly weights: WeightSource;
  readonly dims: WhisperDims;
  readonly alignmentHeads: readonly AlignmentHead[];
  readonly suppressTokens: readonly number[];
  readonly suppressTokensAtBegin: readonly number[];
  /** The fast tokenizer's `tokenizer.json`; absent where only a vocabulary is at hand. */
  readonly tokenizerPath?: string;
  /** `vocabulary.json` (an array), `vocabulary.txt` (a token a line) or `vocab.json` (token to id). */
  readonly vocabularyPath?: string;
  readonly multilingual: boolean;
}

const VOCABULARY_FILES = ['vocabulary.json', 'vocabulary.txt', 'vocab.json'] as const;
/** Every Whisper has heads of this width (openai/whisper, model.py). */
const HEAD_WIDTH = 64;

/**
 * Opens a Whisper model in CTranslate2, safetensors or torch format. Throws `model_unsupported` where it is not
 * Whisper, `model_corrupt` where weights or settings are damaged, `model_missing` where it has no tokenizer.
 */
export function openWhisperCheckpoint(model: ResolvedModel): WhisperCheckpoint {
  const settings = readSettings(model.dir);
  const source = openWeights(model);
  try {
    const weights = model.format === 'ctranslate2' ? source : canonicalWhisperWeights(source, model.name);
    const dims = readDims(model, weights, settings);
    return {
      weights,
      dims,
      alignmentHeads: alignmentHeads(settings, dims, model.name),
      suppressTokens: tokenList(settings, ['suppress_tokens', 'suppress_ids'], dims, defaultSuppressTokens),
      suppressTokensAtBegin: tokenList(
        settings,
        ['begin_suppress_tokens', 'suppress_ids_begin'],
        dims,
        defaultSuppressTokensAtBegin,
      ),
      ...tokenizerFiles(model),
      multilingual: dims.vocabulary >= MULTILINGUAL_VOCABULARY,
    };
  } catch (error) {
    source.close();
    throw error;
  }
}

type Settings = Readonly<Record<string, unknown>>;

/** `config.json`, overlaid by `generation_config.json`, which is where transformers keeps decoding settings. */
function readSettings(dir: string): Settings {
  return { ...readJson(join(dir, 'config.json')), ...readJson(join(dir, 'generation_config.json')) };
}

function readJson(path: string): Settings {
  if (!existsSync(path)) return {};
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null) return value as Settings;
  } catch (error) {
    throw corruptFile(path, 'it is not JSON', error);
  }
  throw corruptFile(path, 'it is not a JSON object');
}

function readDims(model: ResolvedModel, weights: WeightSource, settings: Settings): WhisperDims {
  const required = ['encoder/conv1/weight', 'decoder/embeddings/weight', 'decoder/position_encodings/encodings'];
  if (required.some((name) => !weights.has(name))) {
    throw new DiaristError('model_unsupported', `${model.name} is not a Whisper model; give one for transcription.`);
  }
  const [width = 0, mels = 0] = weights.dims('encoder/conv1/weight');
  const layers = (side: string) => countLayers(weights, (index) => `${side}/layer_${index}/ffn/linear_0/weight`);
  const dims = {
    mels,
    audioContext: weights.dims('encoder/position_encodings/encodings')[0] ?? 0,
    textContext: weights.dims('decoder/position_encodings/encodings')[0] ?? 0,
    width,
    heads: headCount(weights, settings, width),
    encoderLayers: layers('encoder'),
    decoderLayers: layers('decoder'),
    vocabulary: weights.dims('decoder/embeddings/weight')[0] ?? 0,
  };
  if (dims.encoderLayers === 0 || dims.decoderLayers === 0 || width % dims.heads !== 0) {
    throw new DiaristError('model_corrupt', `${model.name} has no consistent Whisper shape; fetch it again.`);
  }
  return dims;
}

function headCount(weights: WeightSource, settings: Settings, width: number): number {
  if (weights.has('encoder/num_heads')) return weights.read('encoder/num_heads').data[0] ?? 0;
  const stated = settings.encoder_attention_heads;
  return typeof stated === 'number' ? stated : Math.max(1, Math.floor(width / HEAD_WIDTH));
}

const isPair = (value: unknown): value is [number, number] =>
  Array.isArray(value) && value.length === 2 && value.every((item) => Number.isSafeInteger(item) && item >= 0);

/** Distilled models repeat their teacher's heads, which name layers they do not have: those do not count. */
function alignmentHeads(settings: Settings, dims: WhisperDims, name: string): readonly AlignmentHead[] {
  const stated = Array.isArray(settings.alignment_heads) ? settings.alignment_heads.filter(isPair) : [];
  const present = stated.filter(([layer, head]) => layer < dims.decoderLayers && head < dims.heads);
  return present.length > 0 ? present : defaultAlignmentHeads(dims, dims.heads, name);
}

/** A stated list of tokens; -1 in it stands for the usual ones, as does no list at all. */
function tokenList(
  settings: Settings,
  keys: readonly string[],
  dims: WhisperDims,
  usual: (vocabulary: number) => readonly number[],
): readonly number[] {
  const stated = keys.map((key) => settings[key]).find((value) => Array.isArray(value));
  if (!Array.isArray(stated)) return usual(dims.vocabulary);
  const tokens = stated.filter((token): token is number => Number.isSafeInteger(token) && token < dims.vocabulary);
  const expanded = tokens.flatMap((token) => (token < 0 ? usual(dims.vocabulary) : [token]));
  return [...new Set(expanded)].sort((a, b) => a - b);
}

function tokenizerFiles(model: ResolvedModel): { tokenizerPath?: string; vocabularyPath?: string } {
  const tokenizerPath = join(model.dir, 'tokenizer.json');
  const vocabularyPath = VOCABULARY_FILES.map((file) => join(model.dir, file)).find((path) => existsSync(path));
  const hasTokenizer = existsSync(tokenizerPath);
  if (!hasTokenizer && vocabularyPath === undefined) {
    throw new DiaristError(
      'model_missing',
      `${model.dir} has no tokenizer.json; put the one of the model's Hugging Face repository beside the weights.`,
    );
  }
  return { ...(hasTokenizer && { tokenizerPath }), ...(vocabularyPath !== undefined && { vocabularyPath }) };
}
