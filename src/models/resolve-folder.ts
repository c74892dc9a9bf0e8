import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiaristError } from '../core/errors.ts';
import type { HashMemory } from './hashing.ts';
import { weightFiles, whisperFilesAmong } from './model-files.ts';
import type { ModelPlan } from './sources/source.ts';
import type { ResolvedModel } from './types.ts';

/**
 * A planned model as it stands in a folder, its pinned files checked byte for byte. Null where the folder does not hold
 * the whole model or holds other bytes.
 */
export async function resolveFolder(dir: string, plan: ModelPlan, hashes: HashMemory): Promise<ResolvedModel | null> {
  const names = await readdir(dir).catch(() => []);
  const found = weightsIn(names, plan);
  if (found === null) return null;
  const weights = join(dir, found.weights);
  try {
    for (const file of plan.pinned) {
      const path = join(dir, file.path);
      if ((await stat(path)).size !== file.bytes || (await hashes.sha256(path)) !== file.sha256) return null;
    }
    const weightHash = await hashOfWeights(weights, hashes);
    return { name: plan.name, role: plan.role, licence: plan.licence, dir, weights, format: found.format, weightHash };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (missing || error instanceof DiaristError) return null;
    throw error;
  }
}

function weightsIn(
  names: readonly string[],
  plan: ModelPlan,
): { weights: string; format: ResolvedModel['format'] } | null {
  if (plan.weights !== undefined && plan.format !== undefined) {
    return names.includes(plan.weights) && (plan.role !== 'whisper' || hasTokenizer(names))
      ? { weights: plan.weights, format: plan.format }
      : null;
  }
  return hasTokenizer(names) ? whisperFilesAmong(names) : null;
}

/** A snapshot without tokenizer or vocabulary was not fetched whole. */
const hasTokenizer = (names: readonly string[]): boolean =>
  ['tokenizer.json', 'vocabulary.txt', 'vocabulary.json', 'vocab.json'].some((name) => names.includes(name));

/** SHA-256 of the weights; of the list of hashes where they are spread over several files. */
export async function hashOfWeights(weights: string, hashes: HashMemory, signal?: AbortSignal): Promise<string> {
  const files = weightFiles(weights);
  const all: string[] = [];
  for (const file of files) all.push(await hashes.sha256(file, signal));
  return combineHashes(all);
}

/** One hash as it is; several as the SHA-256 of their list. */
export function combineHashes(hashes: readonly string[]): string {
  const [only] = hashes;
  return hashes.length === 1 && only !== undefined
    ? only
    : createHash('sha256').update(hashes.join('\n')).digest('hex');
}
