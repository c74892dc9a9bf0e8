import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { FFMPEG_FROM_PATH } from './ffmpeg.ts';

/** A folder for one test file's clips, removed by `using` or by hand. */
export function clipFolder(): Disposable & { readonly path: string; file(name: string): string } {
  const path = mkdtempSync(join(tmpdir(), 'diarist-audio-'));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Runs ffmpeg with its usual quiet arguments and answers the file it wrote, named last. */
export function ffmpeg(...args: string[]): string {
  execFileSync(FFMPEG_FROM_PATH.ffmpeg, ['-nostdin', '-v', 'error', '-y', ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return args.at(-1)!;
}

/** Makes a named pipe, as a shell's process substitution does. */
export function namedPipe(path: string): string {
  const program = 'mkfifo';
  execFileSync(program, [path]);
  return path;
}

/** The folder of evaluation audio, or undefined, having said so, where this machine has none. */
export function evaluationAudio(): string | undefined {
  const root = resolve(import.meta.dirname, '../..');
  const folder = resolve(root, process.env['DIARIST_TEST_DATA'] ?? '../shared/data');
  if (existsSync(join(folder, 'manifest.json'))) return folder;
  console.log(`skipped: no evaluation audio at ${folder} (set DIARIST_TEST_DATA)`);
  return undefined;
}
