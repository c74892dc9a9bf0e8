import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { scratchFolder } from './fixtures/scratch-folder.ts';
import { cachedGraphs } from './graph-cache.ts';
import { removeGraphsOf } from './graph-sweep.ts';

const HASH = 'da85c29829d4002daedd676e';
const DAY_SECONDS = 86_400;

/** A process that uses the graphs of `key` and has a draft open. */
async function holder(
  cache: string,
  key: string,
): Promise<AsyncDisposable & { draft: string; end(how: 'kill' | 'exit'): Promise<void> }> {
  const program = fileURLToPath(new URL('./fixtures/hold-graph.ts', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [program, cache, key], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  const end = async (how: 'kill' | 'exit'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    if (how === 'kill') child.kill('SIGKILL');
    else child.stdin!.end();
    await once(child, 'exit');
  };
  return { draft: line.toString().trim(), end, [Symbol.asyncDispose]: () => end('kill') };
}

function age(folder: string, days: number): void {
  const then = Date.now() / 1000 - days * DAY_SECONDS;
  for (const name of readdirSync(folder)) utimesSync(join(folder, name), then, then);
  utimesSync(folder, then, then);
}

/** A set that no process uses, last used so many days ago. */
function oldSet(cache: string, key: string, days: number): string {
  const folder = join(cache, 'graphs', key);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'model.onnx'), 'graph');
  age(folder, days);
  return folder;
}

const build = (cache: string, key: string) =>
  cachedGraphs(cache, key, (folder) => writeFileSync(join(folder, 'g'), ''));

it('removes the draft of a process that was killed, and no draft of one that lives', async () => {
  using scratch = scratchFolder();
  await using living = await holder(scratch.path, `a-1-${HASH}`);
  await using killed = await holder(scratch.path, `b-1-${HASH}`);
  await killed.end('kill');
  expect(existsSync(killed.draft)).toBe(true);
  build(scratch.path, `c-1-${HASH}`);
  expect(existsSync(killed.draft)).toBe(false);
  expect(existsSync(living.draft)).toBe(true);
});

it('removes drafts of other machines once nobody has written to them for a day', () => {
  using scratch = scratchFolder();
  const fresh = oldSet(scratch.path, '.draft-another_machine-1-x', 0.9);
  const silent = oldSet(scratch.path, '.draft-another_machine-2-x', 1.1);
  build(scratch.path, `c-1-${HASH}`);
  expect([existsSync(fresh), existsSync(silent)]).toEqual([true, false]);
});

it('removes sets of older generators and sets that nobody has asked for in a month', () => {
  using scratch = scratchFolder();
  const kept = [
    oldSet(scratch.path, `whisper-1-int8-${HASH}`, 1),
    oldSet(scratch.path, `whisper-10-int8-${HASH}`, 20),
    oldSet(scratch.path, `segmentation-1-${HASH}`, 20),
  ];
  const removed = [
    oldSet(scratch.path, `whisper-2-int8-${HASH}`, 3),
    oldSet(scratch.path, `segmentation-2-${HASH}`, 31),
  ];
  build(scratch.path, `whisper-9-int8-${HASH}`);
  expect(kept.map((folder) => existsSync(folder))).toEqual([true, true, true]);
  expect(removed.map((folder) => existsSync(folder))).toEqual([false, false]);
  expect(readdirSync(join(scratch.path, 'graphs'))).toHaveLength(4);
});

it('keeps an old set while a process uses it, however that one ends', async () => {
  using scratch = scratchFolder();
  const folder = join(scratch.path, 'graphs', `whisper-1-${HASH}`);
  for (const [version, how] of [['2', 'exit'] as const, ['3', 'kill'] as const]) {
    await using user = await holder(scratch.path, `whisper-1-${HASH}`);
    age(folder, 40);
    build(scratch.path, `whisper-${version}-${HASH}`);
    expect(existsSync(folder)).toBe(true);
    await user.end(how);
    age(folder, 40);
  }
  build(scratch.path, `whisper-4-${HASH}`);
  expect(existsSync(folder)).toBe(false);
});

it('removes the graphs of weights that go, but not from under a process', async () => {
  using scratch = scratchFolder();
  const other = oldSet(scratch.path, 'whisper-1-int8-ffffffffffffffffffffffff', 0);
  const unused = oldSet(scratch.path, `whisper-1-int8-${HASH}`, 0);
  await using user = await holder(scratch.path, `segmentation-2-${HASH}`);
  const used = join(scratch.path, 'graphs', `segmentation-2-${HASH}`);
  removeGraphsOf(scratch.path, `sha256:${HASH.slice(0, 6)}`);
  expect(existsSync(unused)).toBe(true);
  removeGraphsOf(scratch.path, `${HASH}0123456789abcdef`);
  expect([other, unused, used].map((folder) => existsSync(folder))).toEqual([true, false, true]);
  await user.end('kill');
  removeGraphsOf(scratch.path, `${HASH}0123456789abcdef`);
  expect([other, used].map((folder) => existsSync(folder))).toEqual([true, false]);
});
