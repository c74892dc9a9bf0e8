import { safetensorsShards } from './readers/safetensors.ts';
import type { ResolvedModel } from './types.ts';

/** Weight files in the order they are preferred: CTranslate2 is smallest to read, torch is the last resort. */
const WEIGHT_FILES: readonly { readonly file: string; readonly format: ResolvedModel['format'] }[] = [
  { file: 'model.bin', format: 'ctranslate2' },
  { file: 'model.safetensors', format: 'safetensors' },
  { file: 'model.safetensors.index.json', format: 'safetensors' },
  { file: 'pytorch_model.bin', format: 'torch' },
];
const SHARD = /^model-\d{5}-of-\d{5}\.safetensors$/;
const SETTING_FILES: ReadonlySet<string> = new Set([
  'config.json',
  'generation_config.json',
  'preprocessor_config.json',
  'tokenizer.json',
  'vocabulary.json',
  'vocabulary.txt',
  'vocab.json',
  'merges.txt',
]);

export interface WhisperFolder {
  readonly weights: string;
  readonly format: ResolvedModel['format'];
  /** Names of all files that the model needs, weights included. */
  readonly files: readonly string[];
}

/** Which of the files of a folder or repository make a Whisper model; null where there are no weights to read. */
export function whisperFilesAmong(names: readonly string[]): WhisperFolder | null {
  const found = WEIGHT_FILES.find(({ file }) => names.includes(file));
  if (found === undefined) return null;
  const sharded = found.file.endsWith('.index.json');
  const files = names.filter((name) => name === found.file || SETTING_FILES.has(name) || (sharded && SHARD.test(name)));
  return { weights: found.file, format: found.format, files };
}

/** The files that hold a model's tensors: one, or the shards of an index. */
export function weightFiles(weights: string): readonly string[] {
  return weights.endsWith('.index.json') ? safetensorsShards(weights) : [weights];
}
