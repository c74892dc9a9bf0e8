import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { JobBench, settingsFor } from './fixtures/job-bench.ts';
import { ScriptedEngines } from './fixtures/scripted-engines.ts';
import { openJobs } from './open-jobs.ts';
import type { Jobs } from './types.ts';

async function untilPart(jobs: Jobs, id: string, index: number): Promise<void> {
  for await (const event of jobs.events(id)) if (event.kind === 'part' && event.part.index >= index) return;
}

describe('closing', () => {
  it('lets running jobs finish within the grace, and refuses new ones', async () => {
    await using bench = await JobBench.open();
    const id = await bench.submit({ text: 'a b c', chunkMs: 10 });
    await untilPart(bench.jobs, id, 0);
    const { jobs } = bench;
    const waiting = jobs.wait(id);
    const closing = jobs.close(10);
    await expect(bench.submit({ text: 'late' })).rejects.toMatchObject({ code: 'shutting_down' });
    expect(await waiting).toMatchObject({ state: 'succeeded' });
    await closing;
  });

  it('parks what takes longer, and the next start goes on where it was', async () => {
    await using bench = await JobBench.open({ maxRunningJobs: 1 });
    const id = await bench.submit({ text: 'a b c d', hangsAt: 2 });
    const queued = await bench.submit({ text: 'e' });
    await untilPart(bench.jobs, id, 1);
    const waits = [id, queued].map((job) => bench.jobs.wait(job));
    const refused = Promise.all(waits.map((wait) => expect(wait).rejects.toMatchObject({ code: 'shutting_down' })));
    await bench.close(0);
    await refused;
    await bench.reopen();
    await untilPart(bench.jobs, id, 1);
    expect(bench.jobs.get(id)).toMatchObject({ attempts: 2, state: 'running' });
    expect(bench.engines.requests[0]).toMatchObject({ id });
    // The first two chunks came from the checkpoint.
    expect(bench.engines.chunks).toBeLessThanOrEqual(1);
    expect(await bench.jobs.wait(queued)).toMatchObject({ state: 'succeeded', attempts: 1 });
    await bench.jobs.cancel(id);
  });
});

describe('a crashing engine', () => {
  it('is given another chance, and the job goes on', async () => {
    await using bench = await JobBench.open();
    const id = await bench.submit({ text: 'a b c', fails: { at: 1, code: 'engine_crashed', times: 1 } });
    expect(await bench.jobs.wait(id)).toMatchObject({ state: 'succeeded', attempts: 2 });
    expect(bench.engines.chunks).toBe(3);
  });

  it('fails the job that always crashes it, and no other', async () => {
    await using bench = await JobBench.open();
    const poison = await bench.submit({ text: 'a b', fails: { at: 1, code: 'engine_crashed' } });
    const other = await bench.submit({ text: 'c d e f', chunkMs: 5 });
    expect(await bench.jobs.wait(poison)).toMatchObject({ state: 'failed', error: { code: 'engine_crashed' } });
    expect(bench.jobs.get(poison)?.attempts).toBe(5);
    expect(await bench.jobs.wait(other)).toMatchObject({ state: 'succeeded', attempts: 1 });
  });

  it('that somebody kills again and again is not held against the job', async () => {
    await using bench = await JobBench.open();
    const id = await bench.submit({ text: 'a b c', fails: { at: 1, code: 'engine_killed', times: 20 } });
    expect(await bench.jobs.wait(id)).toMatchObject({ state: 'succeeded', attempts: 21 });
  });

  it('does not fail a job that gets further each time', async () => {
    await using bench = await JobBench.open({ maxAttempts: 2 });
    const id = await bench.submit({ text: 'a b c d e f g h', crashesAfter: 1 });
    expect(await bench.jobs.wait(id)).toMatchObject({ state: 'succeeded', attempts: 8 });
    expect(bench.engines.chunks).toBe(8);
  });

  it('short of memory has the job tried alone once, and then failed', async () => {
    await using bench = await JobBench.open();
    const id = await bench.submit({ text: 'a', fails: { at: 0, code: 'engine_out_of_memory' } });
    const other = await bench.submit({ text: 'b c', chunkMs: 20 });
    expect(await bench.jobs.wait(id)).toMatchObject({ state: 'failed', attempts: 2 });
    expect(await bench.jobs.wait(other)).toMatchObject({ state: 'succeeded' });
  });

  it('that ends under its jobs is a crash like others, not a cancellation', async () => {
    await using bench = await JobBench.open({ maxAttempts: 2 });
    const id = await bench.submit({ text: 'a', fails: { at: 0, code: 'cancelled' } });
    expect(await bench.jobs.wait(id)).toMatchObject({ state: 'failed', error: { code: 'engine_crashed' } });
  });

  it('is not blamed for kills of the server, however many', async () => {
    await using bench = await JobBench.open({ maxAttempts: 2 });
    const id = await bench.submit({ text: 'a b', hangsAt: 1 });
    for (let start = 0; start < 6; start++) {
      await untilPart(bench.jobs, id, 0);
      await bench.reopen({ maxAttempts: 2 });
    }
    expect(bench.jobs.get(id)).toMatchObject({ attempts: expect.any(Number) });
    expect(bench.jobs.get(id)!.state).not.toBe('failed');
    expect(bench.jobs.get(id)!.attempts).toBeGreaterThanOrEqual(6);
  });
});

describe('the data folder', () => {
  const open = (dataDir: string) => openJobs({ engines: new ScriptedEngines(), settings: settingsFor(dataDir) });

  it('belongs to one server, and to the next when that one was killed', async () => {
    await using bench = await JobBench.open();
    await expect(open(bench.dataDir)).rejects.toMatchObject({
      code: 'invalid_configuration',
      message: expect.stringContaining('Another diarist server'),
    });
    await bench.close();
    const program = new URL('./fixtures/jobs-process.ts', import.meta.url).pathname;
    const holder = spawn(process.execPath, [program, bench.dataDir, '1', 'http://127.0.0.1:1/'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    await expect(open(bench.dataDir)).rejects.toMatchObject({ code: 'invalid_configuration' });
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    await bench.reopen();
  });

  it('that is damaged, from a newer version, or not writable is refused in one sentence', async () => {
    await using bench = await JobBench.open();
    await bench.submit({ text: 'a' });
    await bench.close();
    const path = join(bench.dataDir, 'jobs', 'jobs.sqlite');
    const file = new DatabaseSync(path);
    file.exec('PRAGMA user_version = 99');
    file.close();
    await expect(open(bench.dataDir)).rejects.toMatchObject({
      code: 'invalid_configuration',
      message: expect.stringContaining('newer version'),
    });
    writeFileSync(path, 'not a database at all, but long enough to be looked at '.repeat(100));
    await expect(open(bench.dataDir)).rejects.toMatchObject({ code: 'data_damaged' });
    rmSync(path);
    mkdirSync(path);
    await expect(open(bench.dataDir)).rejects.toMatchObject({ code: 'output_unwritable' });
    rmSync(path, { recursive: true });
    await bench.reopen();
  });

  it('that lost a recording fails its job in one sentence and runs the rest', async () => {
    await using bench = await JobBench.open({ maxRunningJobs: 1 });
    const running = await bench.submit({ text: 'a b', hangsAt: 1 });
    const lost = await bench.submit({ text: 'c' });
    await untilPart(bench.jobs, running, 0);
    await bench.close();
    rmSync(join(bench.dataDir, 'jobs', lost, 'recording'));
    truncateSync(join(bench.dataDir, 'jobs', running, 'recording'));
    mkdirSync(join(bench.dataDir, 'jobs', `job_${'0'.repeat(32)}`));
    await bench.reopen();
    expect(await bench.jobs.wait(lost)).toMatchObject({ state: 'failed', error: { code: 'input_gone' } });
    expect(await bench.jobs.wait(running)).toMatchObject({ state: 'failed', error: { code: 'internal' } });
  });
});
