import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DiaristError } from '../core/errors.ts';

/** Tells folders of this machine from those of others that share the disk: their process ids mean nothing here. */
const MACHINE = hostname().replaceAll(/[^a-z0-9]+/gi, '_');

/**
 * Makes a folder below `dataDir/spool` that belongs to this process (or to one engine process of it), so that what is in
 * it can be removed even when its writer was killed. Also removes what processes left that are no more. Throws
 * `output_unwritable`.
 */
export function createSpoolFolder(dataDir: string): string {
  const parent = join(dataDir, 'spool');
  try {
    mkdirSync(parent, { recursive: true });
    removeAbandoned(parent);
    return mkdtempSync(join(parent, `${MACHINE}-${process.pid}-`));
  } catch (error) {
    throw new DiaristError(
      'output_unwritable',
      `The data folder ${dataDir} cannot be written to (${(error as NodeJS.ErrnoException).code ?? error}): make it writable or name another one in DIARIST_DATA.`,
      { cause: error },
    );
  }
}

function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [machine, pid] = name.split('-');
    if (machine === MACHINE && !isAlive(Number(pid))) rmSync(join(parent, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
