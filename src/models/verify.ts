import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiaristError } from '../core/errors.ts';
import { sha256OfFile } from './hashing.ts';
import { openWeights } from './open-weights.ts';
import { corruptFile } from './readers/range-file.ts';
import type { ResolvedModel } from './types.ts';
import { openWhisperCheckpoint } from './whisper-checkpoint.ts';

export interface VerifyReport {
  readonly name: string;
  readonly dir: string;
  /** What is wrong, a sentence each; empty where the model is whole. */
  readonly problems: readonly string[];
  /** The error that using it would meet, where its files cannot be read as the model they should be. */
  readonly error?: DiaristError;
}

/** What a file should be; where nothing is known of its bytes, it only has to be there. */
export interface ExpectedFile {
  readonly path: string;
  readonly bytes?: number;
  readonly sha256?: string;
}

/** Compares every byte of the expected files, and opens the model as its role demands. */
export async function verifyModel(
  model: ResolvedModel,
  expected: readonly ExpectedFile[],
  signal?: AbortSignal,
): Promise<VerifyReport> {
  const problems: string[] = [];
  for (const file of expected) {
    const problem = await fileProblem(join(model.dir, file.path), file, signal);
    if (problem !== null) problems.push(problem);
  }
  const error = await openingError(model);
  if (error === null) return { name: model.name, dir: model.dir, problems };
  return { name: model.name, dir: model.dir, problems: [...problems, error.message], error };
}

async function fileProblem(path: string, file: ExpectedFile, signal: AbortSignal | undefined): Promise<string | null> {
  const found = await stat(path).catch(() => null);
  if (found === null) return `${file.path} is missing.`;
  if (file.bytes !== undefined && found.size !== file.bytes) {
    return `${file.path} has ${found.size} bytes instead of ${file.bytes}.`;
  }
  if (file.sha256 !== undefined && (await sha256OfFile(path, signal)) !== file.sha256) {
    return `${file.path} has changed: its SHA-256 is not the one that was recorded.`;
  }
  return null;
}

async function openingError(model: ResolvedModel): Promise<DiaristError | null> {
  try {
    if (model.role === 'whisper') openWhisperCheckpoint(model).weights.close();
    else if (model.format === 'onnx' || model.format === 'wav') await checkStart(model);
    else openWeights(model).close();
    return null;
  } catch (error) {
    if (error instanceof DiaristError) return error;
    throw error;
  }
}

async function checkStart(model: ResolvedModel): Promise<void> {
  const bytes = await readFile(model.weights);
  // RIFF starts every WAV file; field 1 (ir_version, a varint) starts every ONNX model.
  const right = model.format === 'wav' ? bytes.toString('latin1', 0, 4) === 'RIFF' : bytes[0] === 0x08;
  if (!right) throw corruptFile(model.weights, `it is no ${model.format.toUpperCase()} file`);
}
