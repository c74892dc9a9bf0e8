import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { toDiaristError } from '../core/errors.ts';

/**
 * Folder of the graphs that `key` names, built by `build` where it is not there yet. `key` has to name everything that
 * decides the graphs' bytes: generator version, weight hash, options. A folder appears whole or not at all; where two
 * processes build the same one, the first to finish wins. Throws `disk_full` or `output_unwritable`.
 */
export function cachedGraphs(cacheDir: string, key: string, build: (folder: string) => void): string {
  const root = join(cacheDir, 'graphs');
  const folder = join(root, key);
  if (existsSync(folder)) return folder;
  const draft = join(root, `.draft-${process.pid}-${randomUUID()}`);
  try {
    mkdirSync(draft, { recursive: true });
    build(draft);
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (existsSync(folder)) return folder;
    throw toDiaristError(error, 'output_unwritable');
  }
  return folder;
}
