import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { weightFiles } from './model-files.ts';
import { combineHashes } from './resolve-folder.ts';
import type { StoredFile } from './sources/source.ts';
import type { ModelRole, ResolvedModel } from './types.ts';

const SCHEMA = 'diarist.model/1';
const FILE = 'manifest.json';

/** What the store knows of a model that it holds; written last, so that a folder with one is whole. */
export interface Manifest {
  readonly schema: typeof SCHEMA;
  readonly name: string;
  readonly role: ModelRole;
  readonly licence: string;
  readonly format: ResolvedModel['format'];
  /** Weight file, relative to the folder. */
  readonly weights: string;
  readonly weightHash: string;
  /** Where the bytes came from, e.g. `huggingface:org/name@commit`. */
  readonly origin: string;
  readonly fetchedAt: string;
  readonly files: readonly StoredFile[];
}

export type ManifestFacts = Omit<Manifest, 'schema' | 'weightHash' | 'fetchedAt'>;

/** Writes the manifest of the files that stand in `dir`. */
export async function writeManifest(dir: string, facts: ManifestFacts): Promise<Manifest> {
  const hashOf = new Map(facts.files.map((file) => [join(dir, file.path), file.sha256]));
  const hashes = weightFiles(join(dir, facts.weights)).map((path) => hashOf.get(path) ?? '');
  const manifest: Manifest = {
    schema: SCHEMA,
    ...facts,
    weightHash: combineHashes(hashes),
    fetchedAt: new Date().toISOString(),
  };
  await writeFile(join(dir, FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/** The manifest of a folder of the store; null where there is none that can be read. */
export async function readManifest(dir: string): Promise<Manifest | null> {
  try {
    const value: unknown = JSON.parse(await readFile(join(dir, FILE), 'utf8'));
    return isManifest(value) ? value : null;
  } catch {
    return null;
  }
}

function isManifest(value: unknown): value is Manifest {
  const { schema, weights, weightHash, files } = (value ?? {}) as Partial<Manifest>;
  return schema === SCHEMA && typeof weights === 'string' && typeof weightHash === 'string' && Array.isArray(files);
}

/** What is visibly wrong with the files of a manifest (missing, other length); null where nothing is. */
export async function visibleDamage(dir: string, manifest: Manifest): Promise<string | null> {
  for (const file of manifest.files) {
    const found = await stat(join(dir, file.path)).catch(() => null);
    if (found === null) return `${file.path} is missing`;
    if (found.size !== file.bytes) return `${file.path} has ${found.size} bytes instead of ${file.bytes}`;
  }
  return null;
}

/** The model that a manifest describes. */
export function modelOf(dir: string, manifest: Manifest): ResolvedModel {
  const { name, role, licence, format, weightHash } = manifest;
  return { name, role, licence, format, weightHash, dir, weights: join(dir, manifest.weights) };
}
