import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, parse, resolve } from 'node:path';
import { DiaristError } from '../core/errors.ts';

/** A file that is to be written. */
export interface OutputFile {
  readonly format: string;
  readonly path: string;
}

/** Name of an input without folders, as people would call it: `talk.mp3`, `stdin`. */
export function inputName(reference: string): string {
  if (reference === '-') return 'stdin';
  const address = /^[a-z][a-z0-9+.-]+:\/\//i.test(reference) ? URL.parse(reference) : null;
  if (address === null) return basename(reference) || 'recording';
  return basename(decoded(address.pathname)) || address.hostname || 'recording';
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/**
 * A different name for the results of each input, without extension. `talk` for `talk.mp3`; where two inputs would share
 * that, the full name (`talk.mp3`), then the folder in front (`monday-talk.mp3`), then a number.
 */
export function resultNames(references: readonly string[]): string[] {
  const candidates = [
    (reference: string) => parse(inputName(reference)).name,
    (reference: string) => inputName(reference),
    (reference: string) => `${parentName(reference)}${inputName(reference)}`,
  ].map((naming) => references.map((reference) => safeFileName(naming(reference))));
  const taken = new Set<string>();
  return references.map((_, index) => {
    // Some file systems take a.json and A.json for one file.
    const unique = candidates.find(
      (names) => names.filter((name) => name.toLowerCase() === names[index]!.toLowerCase()).length === 1,
    );
    const wanted = (unique ?? candidates.at(-1)!)[index]!;
    let name = wanted;
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${wanted}-${number}`;
    taken.add(name.toLowerCase());
    return name;
  });
}

function parentName(reference: string): string {
  if (reference === '-') return '';
  const address = /^[a-z][a-z0-9+.-]+:\/\//i.test(reference) ? URL.parse(reference) : null;
  const parent = address === null ? basename(dirname(resolve(reference))) : address.hostname;
  return parent === '' ? '' : `${parent}-`;
}

function safeFileName(name: string): string {
  const cleaned = name.replaceAll(/[/\\\0:*?"<>|]/g, '_');
  return cleaned === '' || cleaned === '.' || cleaned === '..' ? 'recording' : cleaned;
}

/** Makes the folder where it is missing and makes sure that files can be written to it. Throws `output_unwritable`. */
export async function prepareFolder(folder: string): Promise<void> {
  const probe = temporaryPath(join(folder, 'probe'));
  try {
    await mkdir(folder, { recursive: true });
    await (await open(probe, 'wx')).close();
    await rm(probe);
  } catch (error) {
    throw unwritable(folder, error);
  }
}

export const exists = (path: string): boolean => existsSync(path);

const unfinished = new Set<string>();
process.once('exit', () => {
  for (const path of unfinished) rmSync(path, { force: true });
});

/**
 * Writes files so that each is either there in full or not at all: all are written beside their places first and then
 * renamed. Throws `output_unwritable` or `disk_full` and leaves nothing half-written.
 */
export async function writeFiles(files: readonly { readonly path: string; readonly text: string }[]): Promise<void> {
  const staged: { readonly path: string; readonly temporary: string }[] = [];
  try {
    for (const { path, text } of files) {
      const temporary = temporaryPath(path);
      staged.push({ path, temporary });
      unfinished.add(temporary);
      await writeDurably(path, temporary, text);
    }
    for (const { path, temporary } of staged) {
      await rename(temporary, path).catch((error: unknown) => {
        throw unwritable(path, error);
      });
    }
  } finally {
    for (const { temporary } of staged) {
      await rm(temporary, { force: true });
      unfinished.delete(temporary);
    }
  }
}

async function writeDurably(path: string, temporary: string, text: string): Promise<void> {
  try {
    await using file = await open(temporary, 'wx');
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    throw unwritable(path, error);
  }
}

function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}.tmp`);
}

function unwritable(path: string, error: unknown): DiaristError {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new DiaristError('disk_full', `The disk is full where ${path} is to be written: free some space there.`, {
      cause: error,
    });
  }
  const reason =
    code === 'EACCES' || code === 'EPERM'
      ? 'permission is missing'
      : code === 'EROFS'
        ? 'the disk is read-only'
        : code === 'EEXIST' || code === 'ENOTDIR'
          ? 'a file is in the way'
          : (code ?? String(error));
  return new DiaristError(
    'output_unwritable',
    `${path} cannot be written to (${reason}): choose another place with -o.`,
    {
      cause: error,
    },
  );
}
