import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DiaristError } from '../../core/errors.ts';

/** Files that describe a model's tokens; one of them is enough. */
export interface TokenizerFiles {
  /** `tokenizer.json` of Hugging Face tokenizers. */
  readonly tokenizer?: string;
  /** `vocabulary.txt` or `vocabulary.json` of CTranslate2, or `vocab.json` of transformers' slow tokenizer. */
  readonly vocabulary?: string;
  /** `added_tokens.json`, which goes with `vocab.json`. */
  readonly addedTokens?: string;
}

/** The tokenizer files of a model folder. Throws `model_corrupt` where there are none. */
export function findTokenizerFiles(folder: string): TokenizerFiles {
  const present = (name: string): string | undefined => {
    const path = join(folder, name);
    return existsSync(path) ? path : undefined;
  };
  const tokenizer = present('tokenizer.json');
  const vocabulary =
    present('vocabulary.txt') ?? present('vocabulary.json') ?? (tokenizer ? undefined : present('vocab.json'));
  const addedTokens = vocabulary?.endsWith('vocab.json') ? present('added_tokens.json') : undefined;
  if (!tokenizer && !vocabulary) {
    throw new DiaristError(
      'model_corrupt',
      `The model in ${folder} has no tokenizer.json and no vocabulary: fetch or convert the model again.`,
    );
  }
  return {
    ...(tokenizer && { tokenizer }),
    ...(vocabulary && { vocabulary }),
    ...(addedTokens && { addedTokens }),
  };
}

/**
 * Token texts by id, in the byte-level alphabet; timestamp tokens may be missing at the end. Prefers the vocabulary: it is
 * read in 10 ms, a tokenizer.json in over 100. Throws `model_corrupt` naming the file that cannot be read.
 */
export function readTokens(files: TokenizerFiles): readonly string[] {
  if (files.vocabulary) return readVocabulary(files.vocabulary, files.addedTokens);
  if (files.tokenizer) return readTokenizerJson(files.tokenizer);
  throw new DiaristError('model_corrupt', 'The model names no tokenizer file: fetch or convert the model again.');
}

function readVocabulary(path: string, addedTokens: string | undefined): string[] {
  if (path.endsWith('.txt')) {
    const tokens = readText(path).split('\n');
    if (tokens.at(-1) === '') tokens.pop();
    return tokens;
  }
  const content = readJson(path);
  if (Array.isArray(content) && content.every((token) => typeof token === 'string')) return content;
  return placeByIds(
    [path, ...(addedTokens ? [addedTokens] : [])].flatMap((file) => Object.entries(idsOf(readJson(file), file))),
  );
}

function readTokenizerJson(path: string): string[] {
  const content = readJson(path);
  const added = property(content, 'added_tokens');
  if (!Array.isArray(added)) throw corrupt(path);
  const addedIds = Object.fromEntries(added.map((token) => [property(token, 'content'), property(token, 'id')]));
  const vocabulary = property(property(content, 'model'), 'vocab');
  return placeByIds([...Object.entries(idsOf(vocabulary, path)), ...Object.entries(idsOf(addedIds, path))]);
}

function placeByIds(entries: readonly (readonly [string, number])[]): string[] {
  let size = 0;
  for (const [, id] of entries) size = Math.max(size, id + 1);
  const tokens = new Array<string>(size).fill('');
  for (const [token, id] of entries) tokens[id] = token;
  return tokens;
}

/** No vocabulary of this family comes near: an id above it is damage, and would make a huge array. */
const MAX_TOKENS = 1_000_000;

function idsOf(value: unknown, path: string): Record<string, number> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw corrupt(path);
  for (const id of Object.values(value)) {
    if (!Number.isInteger(id) || id < 0 || id >= MAX_TOKENS) throw corrupt(path);
  }
  return value as Record<string, number>;
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function readJson(path: string): unknown {
  const text = readText(path);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw corrupt(path, cause);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw corrupt(path, cause);
  }
}

function corrupt(path: string, cause?: unknown): DiaristError {
  return new DiaristError(
    'model_corrupt',
    `${basename(path)} of the model cannot be read as a Whisper vocabulary (${path}): fetch the model again.`,
    { cause },
  );
}
