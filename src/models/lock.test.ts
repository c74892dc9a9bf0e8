import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scratchFolder } from './fixtures/scratch-folder.ts';
import { acquireLock, type LockHolder } from './lock.ts';

const holderOf = (path: string): LockHolder => JSON.parse(readFileSync(path, 'utf8')) as LockHolder;

test('many that want the lock hold it one at a time, and it is gone at the end', async () => {
  using folder = scratchFolder();
  const path = join(folder.path, 'a', 'x.lock');
  let inside = 0;
  let most = 0;
  const work = async () => {
    await using _lock = await acquireLock(path);
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 8 }, work));
  expect(most).toBe(1);
  expect(existsSync(path)).toBe(false);
});

test('the lock of a process that is gone is taken over, even where its number is in use again', async () => {
  using folder = scratchFolder();
  const path = join(folder.path, 'x.lock');
  const own = await acquireLock(path).then(async (lock) => {
    const holder = holderOf(path);
    await lock[Symbol.asyncDispose]();
    return holder;
  });
  const ended = spawnSync('true').pid;
  const reused = { ...own, startedAt: '1', token: 'other' };
  for (const stale of [{ ...own, pid: ended, token: 'other' }, ...(own.startedAt === '' ? [] : [reused])]) {
    writeFileSync(path, JSON.stringify(stale));
    await using _lock = await acquireLock(path);
    expect(holderOf(path).pid).toBe(process.pid);
    expect(holderOf(path).token).not.toBe('other');
  }
});

test('a holder elsewhere is believed while its heartbeat is fresh, and not when it is old', async () => {
  using folder = scratchFolder();
  const path = join(folder.path, 'x.lock');
  writeFileSync(path, JSON.stringify({ pid: 1, place: 'another machine', startedAt: '', token: 'theirs' }));
  const controller = new AbortController();
  const waiting = acquireLock(path, { signal: controller.signal, onWait: () => controller.abort() });
  await expect(waiting).rejects.toThrow(/abort/i);
  expect(holderOf(path).token).toBe('theirs');
  const longAgo = new Date(Date.now() - 120_000);
  utimesSync(path, longAgo, longAgo);
  await using _lock = await acquireLock(path);
  expect(holderOf(path).pid).toBe(process.pid);
});
