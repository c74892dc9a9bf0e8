import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { expect, it } from 'vitest';
import { JobBench, submissionOf } from './fixtures/job-bench.ts';

it('keeps recordings and results as long as it is told, and removes them when their time is over', async () => {
  await using bench = await JobBench.open({ keepUploadsSeconds: 0.01 });
  const id = await bench.submit({ text: 'a' });
  await bench.jobs.wait(id);
  const recording = join(bench.dataDir, 'jobs', id, 'recording');
  expect(existsSync(recording)).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 15));
  await bench.reopen({ keepResultsSeconds: 0.01 });
  expect(existsSync(recording)).toBe(false);
  expect(bench.jobs.transcript(id)?.text).toBe('a');
  const short = await bench.submit({ text: 'b' });
  await bench.jobs.wait(short);
  await new Promise((resolve) => setTimeout(resolve, 15));
  await bench.reopen();
  expect(bench.jobs.get(short)).toBeUndefined();
  expect(bench.jobs.get(id)?.state).toBe('succeeded');
  expect(readdirSync(join(bench.dataDir, 'jobs')).filter((name) => name.startsWith('job_'))).toEqual([id]);
});

it('removes all whose time is over at once, however many they are', async () => {
  await using bench = await JobBench.open({ keepResultsSeconds: 0.001, keepUploadsSeconds: 0 });
  const ids = await Promise.all(Array.from({ length: 130 }, (_, index) => bench.submit({ text: `t${index}` })));
  await Promise.all(ids.map((id) => bench.jobs.wait(id)));
  await bench.reopen();
  expect(bench.jobs.list({ limit: 200 }).jobs).toEqual([]);
});

it('accepts a small job within milliseconds', async () => {
  await using bench = await JobBench.open({ maxRunningJobs: 1 });
  await bench.submit({ text: 'a', hangsAt: 0 });
  const submissions = Array.from({ length: 50 }, (_, index) => submissionOf(bench.jobs, { text: `t${index}` }));
  const times: number[] = [];
  for (const submission of submissions) {
    const begin = performance.now();
    await bench.jobs.submit(submission);
    times.push(performance.now() - begin);
  }
  const median = times.sort((a, b) => a - b)[25]!;
  console.info(`submit: median ${median.toFixed(2)} ms, 90th percentile ${times[45]!.toFixed(2)} ms`);
  // 1 to 2 ms on a machine of its own; tests share theirs, and the disk.
  expect(median).toBeLessThan(20);
});
