import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { siblingModule } from '../../core/modules.ts';
import { VERSION } from '../version.ts';

/** The page for people. */
export interface ReferencePage {
  readonly html: string;
  /** File of the script that it loads. */
  readonly script: string;
}

let made: Promise<ReferencePage> | undefined;

/**
 * The page that shows `/openapi.json`. Its script comes out of a module of 4 MB, which a process of its own loads once and
 * takes with it when it ends; the files are kept in the cache folder.
 */
export function referencePage(cacheDir: string): Promise<ReferencePage> {
  made ??= make(cacheDir);
  made.catch(() => {
    made = undefined;
  });
  return made;
}

async function make(cacheDir: string): Promise<ReferencePage> {
  const page = join(cacheDir, 'docs', `reference-${VERSION}.html`);
  const script = join(cacheDir, 'docs', `reference-${VERSION}.js`);
  if (!existsSync(page) || !existsSync(script)) {
    const writer = fileURLToPath(siblingModule(import.meta.url, './write-reference'));
    await promisify(execFile)(process.execPath, [writer, page, script]);
  }
  return { html: await readFile(page, 'utf8'), script };
}
