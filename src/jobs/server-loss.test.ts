import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { JobBench } from './fixtures/job-bench.ts';

const program = new URL('./fixtures/fatal-job-process.ts', import.meta.url).pathname;

/** One life of the server: what it printed, or the signal that ended it. */
async function live(dataDir: string, lossCountsAfterSeconds: number): Promise<string> {
  const child = spawn(process.execPath, [program, dataDir, String(lossCountsAfterSeconds)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const printed = await text(child.stdout);
  const [code, signal] = await exit;
  return signal ?? (code === 0 ? printed : `exit ${code}`);
}

it('a job that takes ten servers with it runs alone after three, fails after ten, and no other fails with it', async () => {
  await using bench = new JobBench();
  const lives: string[] = [];
  do lives.push(await live(bench.dataDir, 0.02));
  while (lives.at(-1) === 'SIGKILL' && lives.length < 15);
  expect(lives.slice(0, -1)).toEqual(Array.from({ length: 10 }, () => 'SIGKILL'));
  const [fatal, ...others] = JSON.parse(lives.at(-1)!);
  expect(fatal).toMatchObject({ state: 'failed', attempts: 10, error: { code: 'engine_crashed' } });
  expect(fatal.error.message).toContain('10 times in a row');
  // Three times with it, then once alone.
  for (const other of others) expect(other).toMatchObject({ state: 'succeeded', attempts: 4 });
  expect(others).toHaveLength(2);
}, 60_000);

it('servers that were killed soon after their start count against no job, however many', async () => {
  await using bench = new JobBench();
  for (let start = 0; start < 11; start++) expect(await live(bench.dataDir, 60)).toBe('SIGKILL');
}, 60_000);
