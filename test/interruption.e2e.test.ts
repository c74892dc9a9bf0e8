import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { descendants, engineHosts, isAlive } from './processes.ts';
import { diarist, startDiarist } from './program.ts';
import { ffmpeg, samplePath, shortClip } from './recordings.ts';
import { filesBelow, type ScratchFolder, scratchFolder } from './scratch-folder.ts';

let scratch: ScratchFolder;
let clip: string;
let longRecording: string;

beforeAll(async () => {
  scratch = await scratchFolder();
  clip = await shortClip(scratch.file('clip.wav'));
  longRecording = scratch.file('long.wav');
  await ffmpeg('-stream_loop', '19', '-i', await samplePath(), '-c', 'copy', longRecording);
});
afterAll(async () => {
  await scratch[Symbol.asyncDispose]();
});

describe('a run that is stopped', () => {
  it.for(['SIGINT', 'SIGTERM'] as const)('ends soon after %s and leaves no file and no process', async (signal) => {
    await using own = await scratchFolder();
    const run = startDiarist(
      ['transcribe', longRecording, '-f', 'json,srt', '-o', own.file('out'), '--json-progress'],
      { env: { DIARIST_DATA: own.file('data') } },
    );
    await run.sawOnStderr(/"fraction":0\.\d*[1-9]/);
    const children = descendants(run.process.pid!);
    const asked = performance.now();
    run.process.kill(signal);
    const { code, stdout } = await run.result;
    expect(performance.now() - asked).toBeLessThan(5000);
    expect(code).toBe(signal === 'SIGINT' ? 130 : 143);
    expect(stdout).toBe('');
    expect(await filesBelow(own.path)).toEqual([]);
    await expect.poll(() => children.filter(isAlive), { timeout: 5000 }).toEqual([]);
  });

  it.skipIf(process.platform !== 'linux')('has no processes left when it was killed', async () => {
    await using own = await scratchFolder();
    const run = startDiarist(['transcribe', longRecording, '-f', 'json', '-o', own.file('out'), '--json-progress'], {
      env: { DIARIST_DATA: own.file('data') },
    });
    await run.sawOnStderr(/"fraction":0\.\d*[1-9]/);
    const children = descendants(run.process.pid!);
    expect(children.length).toBeGreaterThan(0);
    run.process.kill('SIGKILL');
    await run.result;
    await expect.poll(() => children.filter(isAlive), { timeout: 10_000 }).toEqual([]);
    expect(await filesBelow(own.file('out'))).toEqual([]);
  });
});

describe.skipIf(process.platform !== 'linux')('an engine host that dies', () => {
  it('once: the recording is transcribed all the same', async () => {
    await using own = await scratchFolder();
    const run = startDiarist(['transcribe', clip, '-f', 'txt', '--json-progress'], {
      env: { DIARIST_DATA: own.file('data') },
    });
    await run.sawOnStderr(/"fraction":0\.\d*[1-9]/);
    for (const pid of engineHosts(run.process.pid!)) process.kill(pid, 'SIGKILL');
    const { code, stdout } = await run.result;
    expect(code).toBe(0);
    expect(stdout).toMatch(/hello/i);
    expect(await filesBelow(own.file('data'))).toEqual([]);
  });

  it('again and again: one clear sentence, and the exit code of a failed engine', async () => {
    await using own = await scratchFolder();
    const run = startDiarist(['transcribe', longRecording, '-f', 'txt', '--quiet'], {
      env: { DIARIST_DATA: own.file('data') },
    });
    let ended = false;
    const result = run.result.finally(() => {
      ended = true;
    });
    const killed = new Set<number>();
    await expect
      .poll(
        () => {
          for (const pid of ended ? [] : engineHosts(run.process.pid!)) {
            if (!killed.has(pid)) process.kill(pid, 'SIGKILL');
            killed.add(pid);
          }
          return ended;
        },
        { timeout: 60_000, interval: 100 },
      )
      .toBe(true);
    const { code, stderr, stdout } = await result;
    expect(killed.size).toBe(2);
    expect(code).toBe(5);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(await filesBelow(own.file('data'))).toEqual([]);
  });
});

describe('two runs at once', () => {
  it('share the store and do not disturb each other', async () => {
    await using own = await scratchFolder();
    const runs = ['a', 'b'].map((name) =>
      diarist(['transcribe', clip, '-f', 'json', '-o', own.file(name)], { env: { DIARIST_DATA: own.file('data') } }),
    );
    const results = await Promise.all(runs);
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
    const [first, second] = ['a', 'b'].map((name) => JSON.parse(readFileSync(own.file(`${name}/clip.json`), 'utf8')));
    expect(first.text).toBe(second.text);
    expect(await filesBelow(own.file('data'))).toEqual([]);
  });
});
