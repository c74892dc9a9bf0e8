import { readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot, startProgram } from './program.ts';
import { shortClip } from './recordings.ts';
import { type ScratchFolder, scratchFolder } from './scratch-folder.ts';

let scratch: ScratchFolder;

beforeAll(async () => {
  scratch = await scratchFolder();
});
afterAll(async () => {
  await scratch[Symbol.asyncDispose]();
});

const quietNpm = ['--no-audit', '--no-fund', '--loglevel=error'];
// What npm run and a checkout's .npmrc say must not reach the installation: a user has neither.
const withoutNpmSettings = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => /^npm_|^ONNXRUNTIME_NODE_INSTALL$/i.test(name))
    .map((name) => [name, undefined]),
);

describe('the packed tarball', () => {
  it('installs into an empty folder from the npm registry alone, and transcribes', async () => {
    const packed = await startProgram('npm', ['pack', '--pack-destination', scratch.path, ...quietNpm], {
      env: withoutNpmSettings,
    }).result;
    expect(packed.code, packed.stdout + packed.stderr).toBe(0);
    const [tarball] = (await readdir(scratch.path)).filter((name) => name.endsWith('.tgz'));
    expect(tarball).toMatch(/^diarist-\d+\.\d+\.\d+.*\.tgz$/);

    await writeFile(scratch.file('package.json'), '{ "name": "empty-folder", "private": true }');
    const installed = await startProgram('npm', ['install', `./${tarball}`, ...quietNpm], {
      cwd: scratch.path,
      env: withoutNpmSettings,
    }).result;
    expect(installed.code, installed.stderr).toBe(0);

    const files = await readdir(path.join(scratch.path, 'node_modules/diarist'), { recursive: true });
    const unwanted = files.filter(
      (name) => /\.test\.|fixtures|\.onnx$|^src|^test/.test(name) && !/node_modules/.test(name),
    );
    expect(unwanted).toEqual([]);

    const installedDiarist = (...args: string[]) =>
      startProgram(path.join(scratch.path, 'node_modules/.bin/diarist'), args, {
        cwd: scratch.path,
        env: { DIARIST_DATA: scratch.file('data') },
      }).result;
    const { version } = JSON.parse(readFileSync(path.join(repositoryRoot, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(await installedDiarist('--version')).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });

    const run = await installedDiarist('transcribe', await shortClip(scratch.file('call.wav')), '-f', 'txt');
    expect(run.code, run.stderr).toBe(0);
    expect(run.stdout).toMatch(/hello/i);
    expect(run.stdout).toMatch(/SPEAKER_01/);
  });
});
