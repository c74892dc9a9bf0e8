import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isProcessAlive } from '../core/process-identity.ts';
import { OWN_NAME, ownPlacePid, useOfGraphs } from './graph-users.ts';

const DRAFT_PREFIX = '.draft-';
const DAY_MS = 86_400_000;
/** A build writes all the time and takes minutes: one that nobody wrote to for so long has no writer any more. */
const DRAFT_SILENT_MS = DAY_MS;
/** Graphs of an older generator: kept for a while, so that two versions of the program in turn do not rebuild each time. */
const SUPERSEDED_KEPT_MS = 2 * DAY_MS;
/** Graphs nobody asked for in so long; most likely their weights are gone. They can be built again. */
const UNUSED_KEPT_MS = 30 * DAY_MS;

/** A folder name of `root` in which this process may build; {@link sweepGraphs} removes it when this process is gone. */
export function draftFolder(root: string): string {
  return join(root, `${DRAFT_PREFIX}${OWN_NAME}-${randomUUID()}`);
}

/**
 * Removes what nobody needs any more below `root`: drafts of processes that are gone, sets that an older generator wrote
 * than the one of `key`, sets unused for a month. Never what a living process builds or uses. What cannot be removed is
 * left where it is.
 */
export function sweepGraphs(root: string, key: string): void {
  for (const name of namesIn(root)) {
    const folder = join(root, name);
    try {
      if (name.startsWith(DRAFT_PREFIX)) {
        if (isAbandoned(name, folder)) rmSync(folder, { recursive: true, force: true });
        continue;
      }
      const keptMs = isSuperseded(name, key) ? SUPERSEDED_KEPT_MS : UNUSED_KEPT_MS;
      const use = useOfGraphs(folder);
      const idleMs = Date.now() - statSync(folder).mtimeMs;
      if (use !== 'used' && idleMs > (use === 'unused' ? keptMs : UNUSED_KEPT_MS)) removeUnlessUsed(root, name);
    } catch {
      // Another process removed it first, or only its owner may.
    }
  }
}

/**
 * Removes the graphs that were written from weights which are gone now; those that a living process uses stay.
 * `weightHash` is the model's, see {@link cachedGraphs} for its place in a key.
 */
export function removeGraphsOf(cacheDir: string, weightHash: string): void {
  const root = join(cacheDir, 'graphs');
  const hash = weightHash.replaceAll(/[^0-9a-z]/gi, '');
  for (const name of namesIn(root)) {
    const end = name.slice(name.lastIndexOf('-') + 1);
    if (name.startsWith('.') || end.length < 16 || !hash.startsWith(end)) continue;
    if (useOfGraphs(join(root, name)) !== 'used') removeUnlessUsed(root, name);
  }
}

/** Renamed first: whoever looks the set up meanwhile finds it whole or not at all. */
function removeUnlessUsed(root: string, name: string): void {
  const folder = join(root, name);
  const doomed = draftFolder(root);
  renameSync(folder, doomed);
  if (useOfGraphs(doomed) === 'used' && !existsSync(folder)) renameSync(doomed, folder);
  else rmSync(doomed, { recursive: true, force: true });
}

function isAbandoned(name: string, folder: string): boolean {
  const pid = ownPlacePid(name.slice(DRAFT_PREFIX.length));
  if (pid !== undefined && !isProcessAlive(pid)) return true;
  const times = [folder, ...readdirSync(folder).map((file) => join(folder, file))].map(
    (path) => statSync(path).mtimeMs,
  );
  return Date.now() - Math.max(...times) > DRAFT_SILENT_MS;
}

/** True where both keys name one generator and `name` an older version of it. */
function isSuperseded(name: string, key: string): boolean {
  const [, generator, version] = GENERATOR.exec(name) ?? [];
  const [, current, currentVersion] = GENERATOR.exec(key) ?? [];
  return generator !== undefined && generator === current && Number(version) < Number(currentVersion);
}

const GENERATOR = /^([a-z]+)-(\d+)-/;

function namesIn(root: string): string[] {
  try {
    return readdirSync(root);
  } catch {
    return [];
  }
}
