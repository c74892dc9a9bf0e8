import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { editDistance } from '../core/edit-distance.ts';
import { DiaristError } from '../core/errors.ts';

/** Name of the file that is read where it stands in the working folder and no other is named. */
const DEFAULT_FILE = 'diarist.yaml';

/** Values of a configuration file, as texts of the kind that variables have. */
export interface ConfigFile {
  readonly path: string;
  /** By key. */
  readonly values: ReadonlyMap<string, string>;
}

/**
 * Reads `diarist.yaml`: one mapping of keys to texts, numbers, switches or lists. Undefined where none was named and none
 * stands in the working folder. Throws `invalid_configuration` in one sentence: missing, no YAML, or a key that is not
 * among `keys`, with the nearest one that is.
 */
export function readConfigFile(named: string | undefined, keys: readonly string[]): ConfigFile | undefined {
  if (named === undefined && !existsSync(DEFAULT_FILE)) return undefined;
  const path = resolve(named ?? DEFAULT_FILE);
  const document = parseFile(path);
  if (document === null || document === undefined) return { path, values: new Map() };
  if (typeof document !== 'object' || Array.isArray(document)) {
    throw wrong(`${path} must be a mapping of settings to values, such as "port: 9000".`);
  }
  const values = new Map<string, string>();
  for (const [key, value] of Object.entries(document)) {
    if (!keys.includes(key))
      throw wrong(`${path} has the unknown setting "${key}": did you mean ${nearest(key, keys)}?`);
    if (value !== null) values.set(key, textOf(value, key, path));
  }
  return { path, values };
}

function parseFile(path: string): unknown {
  try {
    const text = readFileSync(path, 'utf8');
    // Most runs have no file, and go without the parser and its memory.
    const { parse } = createRequire(import.meta.url)('yaml') as typeof import('yaml');
    return parse(text) as unknown;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'is not there' : `cannot be read (${code ?? message.split('\n')[0]})`;
    throw wrong(`The configuration file ${path} ${reason}: check --config or DIARIST_CONFIG.`, error);
  }
}

function textOf(value: unknown, key: string, path: string): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map((one) => textOf(one, key, path)).join(',');
  if (typeof value === 'object') throw wrong(`${key} in ${path} must be a single value or a list, not a mapping.`);
  return String(value);
}

function nearest(key: string, keys: readonly string[]): string {
  return keys.toSorted((a, b) => editDistance(a, key) - editDistance(b, key))[0] ?? '';
}

function wrong(message: string, cause?: unknown): DiaristError {
  return new DiaristError('invalid_configuration', message, { cause });
}
