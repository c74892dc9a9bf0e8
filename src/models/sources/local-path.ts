import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { DiaristError } from '../../core/errors.ts';
import type { WeightSource } from '../../core/tensors.ts';
import { CATALOGUE } from '../catalogue.ts';
import type { HashMemory } from '../hashing.ts';
import { type WhisperFolder, whisperFilesAmong } from '../model-files.ts';
import { openWeights } from '../open-weights.ts';
import { RangeFile } from '../readers/range-file.ts';
import { startsLikeZip } from '../readers/zip.ts';
import { hashOfWeights } from '../resolve-folder.ts';
import type { ModelRole, ResolvedModel } from '../types.ts';

/** A model that a person points at, and the files beside its weights that belong to it. */
export interface LocalModel {
  readonly model: ResolvedModel;
  readonly files: readonly string[];
}

const UNKNOWN_LICENCE = 'unknown';

/**
 * A model in a folder (`model.bin`, `model.safetensors`, `pytorch_model.bin` with their settings) or a single weight
 * file. What it is for is told by its tensors. Throws `model_missing` or `model_unsupported`.
 */
export async function resolveLocalPath(path: string, hashes: HashMemory, signal?: AbortSignal): Promise<LocalModel> {
  const found = await stat(path).catch(() => null);
  if (found === null) throw new DiaristError('model_missing', `There is no model at ${path}; check the path.`);
  const dir = found.isDirectory() ? path : dirname(path);
  const names = await readdir(dir);
  const folder = found.isDirectory() ? weightsOfFolder(names) : weightsOfFile(basename(path), names, path);
  if (folder === null) {
    throw new DiaristError(
      'model_unsupported',
      `${path} holds no weights that can be read; give a model in CTranslate2, safetensors, torch or ONNX format.`,
    );
  }
  const weights = join(dir, folder.weights);
  const known = { name: path, dir, weights, format: folder.format, weightHash: '', licence: UNKNOWN_LICENCE };
  const role = roleOf({ ...known, role: 'whisper' });
  const weightHash = await hashOfWeights(weights, hashes, signal);
  const entry = CATALOGUE.find((candidate) => candidate.files.some((file) => file.sha256 === weightHash));
  return {
    model: { ...known, role, weightHash, licence: entry?.licence ?? UNKNOWN_LICENCE },
    files: folder.files,
  };
}

/** The weights among a folder's files: a Whisper model, or the only weight file there is. */
function weightsOfFolder(names: readonly string[]): WhisperFolder | null {
  const whisper = whisperFilesAmong(names);
  if (whisper !== null) return whisper;
  const candidates = names.flatMap((name) => weightsOfFile(name, [], null) ?? []);
  return candidates.length === 1 ? (candidates[0] ?? null) : null;
}

function weightsOfFile(name: string, beside: readonly string[], path: string | null): WhisperFolder | null {
  const whisper = whisperFilesAmong(beside);
  if (whisper?.weights === name) return whisper;
  const format = formatOf(name, path);
  return format === null ? null : { weights: name, format, files: [name] };
}

function formatOf(name: string, path: string | null): ResolvedModel['format'] | null {
  if (name.endsWith('.safetensors') || name.endsWith('.safetensors.index.json')) return 'safetensors';
  switch (extname(name)) {
    case '.onnx':
      return 'onnx';
    case '.wav':
      return 'wav';
    case '.pt':
    case '.pth':
    case '.ckpt':
      return 'torch';
    case '.bin':
      // Both CTranslate2 and torch use this ending.
      return path === null || looksLikeZip(path) ? 'torch' : 'ctranslate2';
    default:
      return null;
  }
}

function looksLikeZip(path: string): boolean {
  const file = new RangeFile(path);
  try {
    return startsLikeZip(file);
  } finally {
    file.close();
  }
}

/** Tensor names that only one kind of model has. */
function roleOf(model: ResolvedModel): ModelRole {
  if (model.format === 'onnx') return 'vad';
  if (model.format === 'wav') return 'sample';
  const weights: WeightSource = openWeights(model);
  try {
    const names = weights.names();
    if (names.some((name) => /(?:^|\.|\/)encoder[./]conv1[./]weight$/.test(name))) return 'whisper';
    if (names.some((name) => name.startsWith('sincnet.'))) return 'segmentation';
    if (names.some((name) => name.startsWith('xvector.'))) return 'embedding';
  } finally {
    weights.close();
  }
  throw new DiaristError(
    'model_unsupported',
    `${model.name} is none of the models used here (Whisper, segmentation-3.0, CAM++).`,
  );
}
