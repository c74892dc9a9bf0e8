import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isProcessAlive, processPlace, processStart } from '../core/process-identity.ts';

/** A process as file names call it: where it runs, and its id there. */
export const OWN_NAME = `${placeName()}-${process.pid}`;

const PREFIX = '.used-by-';

/** What a set of graphs is needed for, as far as this process can tell. */
export type GraphUse = 'used' | 'used-elsewhere-once' | 'unused';

const claimed = new Set<string>();

/**
 * Notes in a folder of graphs that this process uses it until it ends: a session may be opened long after the folder was
 * looked up, and nobody may remove it before. False where the folder is not there (any more).
 */
export function claimGraphs(folder: string): boolean {
  if (!existsSync(folder)) return false;
  const path = join(folder, `${PREFIX}${OWN_NAME}`);
  try {
    writeFileSync(path, processStart(process.pid) ?? '');
    if (claimed.size === 0) process.once('exit', releaseAll);
    claimed.add(path);
    const now = new Date();
    utimesSync(folder, now, now);
    return true;
  } catch {
    // Graphs on a disk that cannot be written to can be used all the same: nobody removes them there.
    return existsSync(folder);
  }
}

/** Who uses a folder of graphs. Processes of another machine or container cannot be looked at. */
export function useOfGraphs(folder: string): GraphUse {
  let use: GraphUse = 'unused';
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(PREFIX)) continue;
    const pid = ownPlacePid(name.slice(PREFIX.length));
    if (pid === undefined) use = 'used-elsewhere-once';
    else if (isProcessAlive(pid, startOf(join(folder, name)))) return 'used';
  }
  return use;
}

/** The process id in a name that begins with {@link OWN_NAME}'s form; undefined where its place is another. */
export function ownPlacePid(name: string): number | undefined {
  const [place, pid] = name.split('-');
  return place === placeName() ? Number(pid) : undefined;
}

function placeName(): string {
  return processPlace().replaceAll(/[^a-z0-9]+/gi, '_');
}

function startOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function releaseAll(): void {
  for (const path of claimed) rmSync(path, { force: true });
}
