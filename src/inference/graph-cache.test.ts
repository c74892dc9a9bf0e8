import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { DiaristError } from '../core/errors.ts';
import { scratchFolder } from './fixtures/scratch-folder.ts';
import { cachedGraphs } from './graph-cache.ts';

const run = promisify(execFile);

function failure(act: () => unknown): DiaristError {
  try {
    act();
  } catch (error) {
    if (error instanceof DiaristError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

it('builds once and then finds what was built', () => {
  using cache = scratchFolder();
  let builds = 0;
  const build = (folder: string) => {
    builds++;
    expect(existsSync(join(cache.path, 'graphs', 'key'))).toBe(false);
    writeFileSync(join(folder, 'model.onnx'), 'graph');
  };
  const first = cachedGraphs(cache.path, 'key', build);
  expect(cachedGraphs(cache.path, 'key', build)).toBe(first);
  expect(cachedGraphs(cache.path, 'other', () => undefined)).not.toBe(first);
  expect(builds).toBe(1);
  expect(readFileSync(join(first, 'model.onnx'), 'utf8')).toBe('graph');
  expect(readdirSync(join(cache.path, 'graphs')).sort()).toEqual(['key', 'other']);
});

it('leaves nothing of a build that fails, and tries again the next time', () => {
  using cache = scratchFolder();
  const corrupt = new DiaristError('model_corrupt', 'The weights are damaged; fetch them again.');
  const error = failure(() =>
    cachedGraphs(cache.path, 'key', (folder) => {
      writeFileSync(join(folder, 'half'), 'a graph');
      throw corrupt;
    }),
  );
  expect(error).toBe(corrupt);
  expect(readdirSync(join(cache.path, 'graphs'))).toEqual([]);
  expect(existsSync(cachedGraphs(cache.path, 'key', () => undefined))).toBe(true);
});

it('says that the disk is full', () => {
  using cache = scratchFolder();
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
  expect(
    failure(() =>
      cachedGraphs(cache.path, 'key', () => {
        throw full;
      }),
    ).code,
  ).toBe('disk_full');
});

it('does not blame the disk for a fault of the program', () => {
  using cache = scratchFolder();
  const error = failure(() =>
    cachedGraphs(cache.path, 'key', () => {
      throw new TypeError('x is not a function');
    }),
  );
  expect(error.code).toBe('internal');
});

it('names the folder it cannot write to', () => {
  using scratch = scratchFolder();
  // A file stands where the folder should be: that stops every user, the administrator too.
  const cache = join(scratch.path, 'cache');
  writeFileSync(cache, '');
  const error = failure(() => cachedGraphs(cache, 'key', () => undefined));
  expect(error.code).toBe('output_unwritable');
  expect(error.message).toContain(join(cache, 'graphs'));
  expect(error.message).toContain('DIARIST_CACHE');
});

it('gives two processes that build the same key one whole folder', async () => {
  using scratch = scratchFolder();
  const cache = join(scratch.path, 'cache');
  const meeting = join(scratch.path, 'meeting');
  mkdirSync(meeting);
  const program = fileURLToPath(new URL('./fixtures/build-graph.ts', import.meta.url));
  const outcomes = await Promise.all(
    ['a', 'b'].map(async (name) => {
      const { stdout } = await run(process.execPath, [program, cache, name, meeting]);
      return JSON.parse(stdout) as { folder: string; built: boolean };
    }),
  );
  const folder = join(cache, 'graphs', 'key');
  expect(outcomes).toEqual([
    { folder, built: true },
    { folder, built: true },
  ]);
  expect(readdirSync(join(cache, 'graphs'))).toEqual(['key']);
  const first = readFileSync(join(folder, 'first'), 'utf8');
  expect(first).toMatch(/^(a{1000}|b{1000})$/);
  expect(readFileSync(join(folder, 'second'), 'utf8')).toBe(first);
});
