import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DiaristError, toDiaristError } from '../core/errors.ts';
import { isProcessAlive } from '../core/process-identity.ts';

/** Tells folders of this machine from those of others that share the disk: their process ids mean nothing here. */
const MACHINE = hostname().replaceAll(/[^a-z0-9]+/gi, '_');

/**
 * Makes a folder below `dataDir/spool` that belongs to this process (or to one engine process of it), so that what is in
 * it can be removed even when its writer was killed; at the latest it goes when this process exits. Also removes what
 * processes left that are no more. Throws `output_unwritable` or `disk_full`.
 */
export function createSpoolFolder(dataDir: string): string {
  const parent = join(dataDir, 'spool');
  try {
    mkdirSync(parent, { recursive: true });
    removeAbandoned(parent);
    if (present.size === 0) process.once('exit', removeAllNow);
    const folder = mkdtempSync(join(parent, `${MACHINE}-${process.pid}-`));
    present.add(folder);
    return folder;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw toDiaristError(error);
    throw new DiaristError(
      'output_unwritable',
      `The data folder ${dataDir} cannot be written to (${(error as NodeJS.ErrnoException).code ?? error}): make it writable or name another one in DIARIST_DATA.`,
      { cause: error },
    );
  }
}

export async function removeSpoolFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true }).catch(() => {});
  present.delete(folder);
  if (present.size === 0) process.off('exit', removeAllNow);
}

const present = new Set<string>();

function removeAllNow(): void {
  for (const folder of present) rmSync(folder, { recursive: true, force: true });
}

function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [machine, pid] = name.split('-');
    if (machine === MACHINE && !isProcessAlive(Number(pid)))
      rmSync(join(parent, name), { recursive: true, force: true });
  }
}
