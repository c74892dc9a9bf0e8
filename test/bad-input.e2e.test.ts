import { closeSync, openSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diarist, type RunOptions, type RunResult } from './program.ts';
import { ffmpeg, shortClip } from './recordings.ts';
import { filesBelow, type ScratchFolder, scratchFolder } from './scratch-folder.ts';

let scratch: ScratchFolder;
let clip: string;

beforeAll(async () => {
  scratch = await scratchFolder();
  clip = await shortClip(scratch.file('clip.wav'));
  await writeFile(scratch.file('empty.wav'), '');
  await writeFile(scratch.file('one-byte.mp3'), 'x');
  await writeFile(scratch.file('notes.mp3'), 'These are minutes of a meeting, not its recording.\n'.repeat(50));
  await ffmpeg('-f', 'lavfi', '-i', 'testsrc=size=64x64:rate=5', '-t', '2', scratch.file('silent-film.mp4'));
  await ffmpeg('-f', 'lavfi', '-i', 'sine=r=16000', '-t', '0', scratch.file('zero.wav'));
  await mkdir(scratch.file('folder'));
});
afterAll(async () => {
  await scratch[Symbol.asyncDispose]();
});

/** One refusal: the exit code, one sentence that matches, and nothing left in the data or output folder. */
async function refuses(
  args: readonly string[],
  expected: { code: number; says: RegExp },
  options: RunOptions = {},
): Promise<RunResult> {
  await using own = await scratchFolder();
  const run = await diarist(['transcribe', ...args, '-f', 'json', '-o', own.file('out'), '--quiet'], {
    ...options,
    env: { DIARIST_DATA: own.file('data'), ...options.env },
  });
  expectOneSentence(run, expected);
  expect(await filesBelow(own.path)).toEqual([]);
  return run;
}

function expectOneSentence(run: RunResult, expected: { code: number; says: RegExp }): void {
  const lines = run.stderr.split('\n').filter((line) => line.trim() !== '');
  expect(lines, run.stderr).toHaveLength(1);
  expect(lines[0]).toMatch(expected.says);
  expect(lines[0]).not.toMatch(/\bat .*:\d+:\d+|ENOENT|EACCES|undefined|\[object/);
  expect(run.stdout).toBe('');
  expect(run.code).toBe(expected.code);
}

describe('recordings that cannot be read', () => {
  const cases: [name: string, file: string, says: RegExp][] = [
    ['missing', 'nowhere.wav', /nowhere\.wav/],
    ['a folder', 'folder', /folder/],
    ['empty', 'empty.wav', /empty/],
    ['one byte long', 'one-byte.mp3', /one-byte\.mp3/],
    ['not audio', 'notes.mp3', /notes\.mp3/],
    ['a film without sound', 'silent-film.mp4', /without sound/],
    ['of zero duration', 'zero.wav', /zero\.wav/],
  ];
  it.for(cases)('%s', async ([, file, says]) => {
    await refuses([scratch.file(file)], { code: 3, says });
  });

  it.skipIf(process.getuid?.() === 0)('not permitted (skipped for root, who may read everything)', async () => {
    await writeFile(scratch.file('locked.wav'), 'x');
    await chmod(scratch.file('locked.wav'), 0);
    await refuses([scratch.file('locked.wav')], { code: 3, says: /permission|read/i });
  });

  it('of another scheme than http', async () => {
    await refuses(['ftp://localhost/clip.wav'], { code: 2, says: /http/ });
  });

  it('at a URL where nobody answers', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    await refuses([`http://127.0.0.1:${port}/clip.wav`], { code: 7, says: /127\.0\.0\.1/ });
  });

  it('in a format that needs ffmpeg, where there is none; WAV still works', async () => {
    await ffmpeg('-i', clip, scratch.file('clip.mp3'));
    const withoutFfmpeg = { env: { PATH: scratch.file('folder') } };
    await refuses([scratch.file('clip.mp3')], { code: 3, says: /install.*ffmpeg|ffmpeg.*install/i }, withoutFfmpeg);
    const run = await diarist(['transcribe', clip, '-f', 'txt'], {
      env: { ...withoutFfmpeg.env, DIARIST_DATA: scratch.file('data') },
    });
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/hello/i);
  });
});

describe('requests that make no sense', () => {
  const cases: [name: string, args: string[], says: RegExp][] = [
    ['an unknown model', ['--model', 'bsae'], /base/],
    ['an unknown language', ['--language', 'englsh'], /english|\ben\b/i],
    ['no speakers', ['--speakers', '0'], /speakers/],
    ['fewer at most than at least', ['--min-speakers', '3', '--max-speakers', '2'], /min.*max|max.*min/i],
    ['an unknown task', ['--task', 'summarize'], /transcribe.*translate/],
    ['an unknown device', ['--device', 'gpu'], /cpu.*cuda/],
    ['a beam of none', ['--beam-size', '0'], /beam/],
    ['an unknown option', ['--langauge', 'en'], /--language/],
  ];
  it.for(cases)('%s', async ([, args, says]) => {
    await refuses([clip, ...args], { code: 2, says });
  });

  it('an unknown format', async () => {
    const run = await diarist(['transcribe', clip, '-f', 'jsn', '--quiet'], {
      env: { DIARIST_DATA: scratch.file('data') },
    });
    expectOneSentence(run, { code: 2, says: /json/ });
  });

  it('no recording at all', async () => {
    const run = await diarist(['transcribe', '--quiet']);
    expect(run.code).toBe(2);
    expect(run.stdout).toBe('');
    expect(run.stderr).toMatch(/FILE|recording|argument/i);
  });
});

describe('results that cannot be written', () => {
  const env = () => ({ DIARIST_DATA: scratch.file('data') });

  it('into a folder whose place is taken by a file', async () => {
    const run = await diarist(['transcribe', clip, '-f', 'json', '-o', scratch.file('notes.mp3'), '--quiet'], {
      env: env(),
    });
    expectOneSentence(run, { code: 6, says: /notes\.mp3/ });
  });

  it.skipIf(process.getuid?.() === 0)(
    'into a folder without permission (skipped for root, who may write everywhere)',
    async () => {
      await mkdir(scratch.file('locked'), { mode: 0o500 });
      const run = await diarist(['transcribe', clip, '-f', 'json', '-o', scratch.file('locked'), '--quiet'], {
        env: env(),
      });
      expectOneSentence(run, { code: 6, says: /locked/ });
    },
  );

  it.skipIf(process.platform !== 'linux')('to a full disk', async () => {
    const full = openSync('/dev/full', 'w');
    const run = await diarist(['transcribe', clip, '-f', 'json', '--quiet'], { env: env(), stdoutFd: full });
    closeSync(full);
    expectOneSentence(run, { code: 6, says: /full/ });
  });
});

describe('models that cannot be had', () => {
  // Nobody answers on the discard port of this machine: every source in the network is out of reach.
  const offline = () => ({
    DIARIST_CACHE: scratch.file('cache'),
    HF_HOME: scratch.file('hub'),
    HF_HUB_CACHE: undefined,
    HF_ENDPOINT: 'http://127.0.0.1:9',
    PIP_INDEX_URL: 'http://127.0.0.1:9',
    PIP_EXTRA_INDEX_URL: undefined,
    PIP_RETRIES: '0',
    PIP_DEFAULT_TIMEOUT: '2',
    PIP_NO_INDEX: undefined,
    PIP_CACHE_DIR: scratch.file('pip'),
  });

  it('without a network', async () => {
    await refuses([clip], { code: 7, says: /base|segmentation|campplus/ }, { env: offline() });
  });

  it('from a folder that is none', async () => {
    await refuses([clip, '--model', scratch.file('nowhere')], { code: 4, says: /nowhere/ });
  });

  it('from a broken file', async () => {
    await mkdir(scratch.file('broken-model'));
    await writeFile(scratch.file('broken-model/model.bin'), 'broken');
    await writeFile(scratch.file('broken-model/config.json'), '{}');
    await refuses([clip, '--model', scratch.file('broken-model')], { code: 4, says: /broken-model/ });
  });
});
