import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DiaristError, toDiaristError } from '../core/errors.ts';
import { draftFolder, sweepGraphs } from './graph-sweep.ts';
import { claimGraphs } from './graph-users.ts';

/**
 * Folder of the graphs that `key` names, built by `build` where it is not there yet. `key` has to name everything that
 * decides the graphs' bytes: `<generator>-<version>-<options>-<beginning of the weight hash>`. A folder appears whole or
 * not at all; where two processes build the same one, the first to finish wins. It stays at least until this process
 * ends; what nobody needs any more goes when something new is built. Throws `disk_full` or `output_unwritable`.
 */
export function cachedGraphs(cacheDir: string, key: string, build: (folder: string) => void): string {
  const root = join(cacheDir, 'graphs');
  const folder = join(root, key);
  if (claimGraphs(folder)) return folder;
  sweepGraphs(root, key);
  const draft = draftFolder(root);
  try {
    mkdirSync(draft, { recursive: true });
    build(draft);
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (claimGraphs(folder)) return folder;
    throw failureOf(error, root);
  }
  claimGraphs(folder);
  return folder;
}

/** A disk that refuses is named with its folder; everything else (a damaged model, a fault of ours) stays what it is. */
function failureOf(error: unknown, folder: string): DiaristError {
  const known = toDiaristError(error);
  const systemCode = (error as NodeJS.ErrnoException | undefined)?.code;
  if (known.code !== 'internal' || systemCode === undefined) return known;
  return new DiaristError(
    'output_unwritable',
    `The folder ${folder} cannot be written to (${systemCode}): make it writable or set DIARIST_CACHE to another folder.`,
    { cause: error },
  );
}
