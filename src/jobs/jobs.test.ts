import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { JobBench, OPTIONS, submissionOf } from './fixtures/job-bench.ts';
import type { JobChange, JobEvent } from './types.ts';

async function collect(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const states = (events: readonly JobEvent[]) =>
  events.flatMap((event) => (event.kind === 'state' ? [event.state] : []));

/** Resolves when the job is at the event. */
async function until(bench: JobBench, id: string, reached: (event: JobEvent) => boolean): Promise<void> {
  for await (const event of bench.jobs.events(id)) if (reached(event)) return;
  throw new Error('the job ended before');
}

const isRunning = (event: JobEvent) => event.kind === 'state' && event.state === 'running';
const isPart = (index: number) => (event: JobEvent) => event.kind === 'part' && event.part.index === index;

describe('a job', () => {
  it('runs to its end and leaves a transcript, events and nothing of its work', async () => {
    await using bench = await JobBench.open();
    const submission = submissionOf(bench.jobs, { text: 'one two three' });
    const { job, as } = await bench.jobs.submit(submission);
    expect([as, job.state, existsSync(submission.file!.path)]).toEqual(['new', 'queued', false]);
    const ended = await bench.jobs.wait(job.id);
    expect(ended).toMatchObject({ state: 'succeeded', progress: 1, audioSeconds: 3, attempts: 1, client: 'ana' });
    expect(ended.expiresAt).toBe(ended.finishedAt! + 7200 * 1000);
    expect(bench.jobs.transcript(job.id)?.text).toBe('one two three');
    const events = await collect(bench.jobs.events(job.id));
    expect(states(events)).toEqual(['queued', 'running', 'succeeded']);
    expect(events.flatMap((event) => (event.kind === 'part' ? [event.part.text] : []))).toEqual([
      'one',
      'two',
      'three',
    ]);
    const replayed = await collect(bench.jobs.events(job.id, { after: events.at(-2)!.seq }));
    expect(replayed).toEqual(events.slice(-1));
    await expect.poll(() => existsSync(join(bench.dataDir, 'jobs', job.id, 'work'))).toBe(false);
  });

  it('is seen by its client only', async () => {
    await using bench = await JobBench.open();
    const id = await bench.submit({ text: 'secret' });
    await bench.jobs.wait(id);
    expect(bench.jobs.get(id, 'ana')?.id).toBe(id);
    expect(bench.jobs.get(id, 'bob')).toBeUndefined();
    expect(bench.jobs.transcript(id, 'bob')).toBeUndefined();
    expect(await bench.jobs.cancel(id, 'bob')).toBe(false);
    expect(await bench.jobs.delete(id, 'bob')).toBe(false);
    expect(await bench.jobs.rerun(id, OPTIONS, 'bob')).toBeUndefined();
    expect(bench.jobs.list({ client: 'bob', limit: 10 }).jobs).toEqual([]);
  });

  it('fails with the sentence of what went wrong, and once', async () => {
    await using bench = await JobBench.open();
    const id = await bench.submit({ text: 'a b', fails: { at: 1, code: 'input_undecodable' } });
    const ended = await bench.jobs.wait(id);
    expect(ended).toMatchObject({ state: 'failed', attempts: 1, error: { code: 'input_undecodable' } });
    expect(bench.jobs.transcript(id)).toBeUndefined();
    expect(await bench.jobs.cancel(id)).toBe(false);
  });

  it('is cancelled while it waits and while it runs', async () => {
    await using bench = await JobBench.open({ maxRunningJobs: 1 });
    const running = await bench.submit({ text: 'a b', hangsAt: 1 });
    const waiting = await bench.submit({ text: 'c' });
    await until(bench, running, isPart(0));
    expect(await bench.jobs.cancel(waiting)).toBe(true);
    expect(await bench.jobs.cancel(running)).toBe(true);
    expect(bench.jobs.get(running)).toMatchObject({ state: 'cancelled', reason: 'client' });
    expect(bench.jobs.get(waiting)).toMatchObject({ state: 'cancelled', attempts: 0 });
    await expect.poll(() => bench.engines.running).toBe(0);
    expect(bench.engines.started).toEqual([running]);
  });

  it('tells listeners that are behind and listeners that are there the same', async () => {
    await using bench = await JobBench.open();
    const text = Array.from({ length: 300 }, (_, index) => `w${index}`).join(' ');
    const id = await bench.submit({ text });
    const slow = (async () => {
      const parts: number[] = [];
      for await (const event of bench.jobs.events(id)) {
        if (event.kind === 'part') parts.push(event.part.index);
        if (parts.length < 20) await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return parts;
    })();
    await bench.jobs.wait(id);
    expect(await slow).toEqual(Array.from({ length: 300 }, (_, index) => index));
    const stored = await collect(bench.jobs.events(id));
    expect(stored.filter(({ kind }) => kind === 'progress').length).toBeLessThanOrEqual(1);
  });

  it('tells those who count what happened', async () => {
    await using bench = await JobBench.open();
    const changes: JobChange[] = [];
    bench.jobs.onChange((change) => changes.push(change));
    const script = { text: 'one two', chunkMs: 5 };
    const id = await bench.submit(script);
    await bench.jobs.wait(id);
    await bench.submit(script);
    expect(changes.map((change) => (change.kind === 'accepted' ? change.as : change.kind))).toEqual([
      'new',
      'started',
      'ended',
      'stored',
    ]);
    const ended = changes.find((change) => change.kind === 'ended');
    expect(ended?.stageSeconds.transcribe).toBeGreaterThan(0);
    expect(bench.jobs.usage('ana', 0)).toEqual({ jobs: 1, audioSeconds: 2 });
    expect(bench.jobs.usage('ana', Date.now() + 1000)).toEqual({ jobs: 0, audioSeconds: 0 });
    expect(bench.jobs.usage('bob', 0).jobs).toBe(0);
  });
});

describe('the same recording', () => {
  it('joins the job that runs, and gets the result that is stored', async () => {
    await using bench = await JobBench.open();
    const script = { text: 'a b c', chunkMs: 20 };
    const id = await bench.submit(script);
    const joined = await bench.jobs.submit(submissionOf(bench.jobs, script));
    expect(joined).toMatchObject({ as: 'joined', job: { id } });
    await bench.jobs.wait(id);
    const stored = await bench.jobs.submit(submissionOf(bench.jobs, script, { client: 'ana', dialect: 'openai' }));
    expect(stored).toMatchObject({ as: 'stored', job: { id, state: 'succeeded' } });
    expect(bench.engines.started).toEqual([id]);
    expect(readdirSync(bench.jobs.uploadFolder)).toEqual([]);
  });

  it('is another job with other options, for another client, without reuse, and where reuse is off', async () => {
    await using bench = await JobBench.open();
    const script = { text: 'a' };
    const first = await bench.submit(script);
    await bench.jobs.wait(first);
    const others = [
      await bench.submit(script, { options: { ...OPTIONS, language: 'de' } }),
      await bench.submit(script, { client: 'bob' }),
      await bench.submit(script, { reuse: false }),
    ];
    expect(new Set([first, ...others]).size).toBe(4);
    await Promise.all(others.map((id) => bench.jobs.wait(id)));
    await bench.reopen({ resultTtlSeconds: 0 });
    expect(await bench.submit(script)).not.toBe(first);
  });

  it('joins where known voices were computed anew from the same reference, and only there', async () => {
    await using bench = await JobBench.open();
    const script = { text: 'a b', hangsAt: 1 };
    const submit = (embedding: readonly number[], reference?: string, name = 'Ana') => {
      const voice = { name, embedding, ...(reference !== undefined && { reference }) };
      return bench.submit(script, { options: { ...OPTIONS, knownSpeakers: [voice] } });
    };
    const first = await submit([0.6, 0.8], 'hash');
    expect(await submit([0.6, 0.8000000000000002], 'hash')).toBe(first);
    const others = [
      await submit([0.6, 0.8], 'another'),
      await submit([0.6, 0.8], 'hash', 'Bob'),
      await submit([0.6, 0.8]),
      await submit([0.6, 0.8000000000000002]),
    ];
    expect(new Set([first, ...others]).size).toBe(5);
  });

  it('sent twice at once is one job', async () => {
    await using bench = await JobBench.open();
    const script = { text: 'a', chunkMs: 20 };
    const ids = await Promise.all([1, 2, 3, 4].map(() => bench.submit(script)));
    expect(new Set(ids).size).toBe(1);
  });
});

describe('callers who hang up', () => {
  const hanging = { text: 'a b', hangsAt: 1 };

  async function hangUpOn(bench: JobBench, id: string): Promise<void> {
    const hangUp = new AbortController();
    const waiting = bench.jobs.wait(id, hangUp.signal);
    hangUp.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  }

  it('have their job cancelled after the grace', async () => {
    await using bench = await JobBench.open({ hangupGraceSeconds: 0.02 });
    const id = await bench.submit(hanging, { durable: false });
    await hangUpOn(bench, id);
    expect(bench.jobs.get(id)?.state).not.toBe('cancelled');
    await expect.poll(() => bench.jobs.get(id)).toMatchObject({ state: 'cancelled', reason: 'disconnected' });
    await expect.poll(() => bench.engines.running).toBe(0);
  });

  it('have it still where they join it just before the grace is over and wait just behind that', async () => {
    await using bench = await JobBench.open({ hangupGraceSeconds: 0.3 });
    const id = await bench.submit(hanging, { durable: false });
    await hangUpOn(bench, id);
    const retry = await bench.jobs.submit(submissionOf(bench.jobs, hanging, { durable: false }));
    expect(retry).toMatchObject({ as: 'joined', job: { id } });
    const deserted = await bench.submit({ ...hanging, text: 'c d' }, { durable: false });
    await hangUpOn(bench, deserted);
    await expect.poll(() => bench.jobs.get(deserted)?.state).toBe('cancelled');
    const waiting = bench.jobs.wait(id);
    expect(bench.jobs.get(id)?.state).toBe('running');
    await bench.jobs.cancel(id);
    expect(await waiting).toMatchObject({ reason: 'client' });
  });

  it('have it still where they come back, where somebody else waits, and where it is durable', async () => {
    await using bench = await JobBench.open({ hangupGraceSeconds: 0.02 });
    const back = await bench.submit({ ...hanging, text: 'c d' }, { durable: false });
    await hangUpOn(bench, back);
    const again = bench.jobs.wait(back);
    const shared = await bench.submit({ ...hanging, text: 'e f' }, { durable: false });
    const listening = bench.jobs.events(shared, { attached: true })[Symbol.asyncIterator]();
    await listening.next();
    await hangUpOn(bench, shared);
    const durable = await bench.submit({ ...hanging, text: 'g h' }, { durable: false });
    await bench.submit({ ...hanging, text: 'g h' }, { durable: true });
    await hangUpOn(bench, durable);
    // This one is deserted last: when its grace is over, that of the others would be.
    const deserted = await bench.submit(hanging, { durable: false });
    await hangUpOn(bench, deserted);
    await expect.poll(() => bench.jobs.get(deserted)?.state).toBe('cancelled');
    for (const id of [back, shared, durable]) expect(bench.jobs.get(id)?.state, id).toBe('running');
    await bench.jobs.cancel(back);
    expect(await again).toMatchObject({ reason: 'client' });
    await listening.return?.();
    await expect.poll(() => bench.jobs.get(shared)).toMatchObject({ reason: 'disconnected' });
  });
});

describe('a full queue', () => {
  it('refuses, but for callers who wait', async () => {
    await using bench = await JobBench.open({ maxRunningJobs: 1, queueLimit: 2 });
    const running = await bench.submit({ text: 'a', hangsAt: 0 });
    await until(bench, running, isRunning);
    for (const text of ['b', 'c']) await bench.submit({ text });
    const refused = submissionOf(bench.jobs, { text: 'd' });
    await expect(bench.jobs.submit(refused)).rejects.toMatchObject({ code: 'queue_full' });
    expect(existsSync(refused.file!.path)).toBe(false);
    const [unsent, known] = [submissionOf(bench.jobs, { text: 'd' }), submissionOf(bench.jobs, { text: 'b' })];
    expect(() => bench.jobs.assertRoom(unsent)).toThrow(expect.objectContaining({ code: 'queue_full' }));
    bench.jobs.assertRoom(known);
    expect([unsent, known].map(({ file }) => existsSync(file!.path))).toEqual([true, true]);
    const { job } = await bench.jobs.submit(submissionOf(bench.jobs, { text: 'd' }), { wait: true });
    expect(bench.jobs.place(job.id)).toEqual({ position: 2 });
    expect(bench.jobs.counts()).toEqual({ queued: 3, running: 1, limit: 2 });
    await bench.jobs.cancel(running);
    expect(await bench.jobs.wait(job.id)).toMatchObject({ state: 'succeeded' });
  });
});

describe('deleting', () => {
  it('leaves no byte of the recording and of the text behind', async () => {
    await using bench = await JobBench.open();
    const id = await bench.submit({ text: 'xylophone marmalade' });
    await bench.jobs.wait(id);
    const root = join(bench.dataDir, 'jobs');
    const files = () =>
      ['jobs.sqlite', 'jobs.sqlite-wal'].map((name) => readFileSync(join(root, name), 'latin1')).join();
    expect(files()).toContain('marmalade');
    expect(await bench.jobs.delete(id)).toBe(true);
    expect(files()).not.toContain('marmalade');
    expect(files()).not.toContain('meeting.wav');
    expect(existsSync(join(root, id))).toBe(false);
    expect(bench.jobs.get(id)).toBeUndefined();
    expect(await bench.jobs.delete(id)).toBe(false);
    expect(bench.jobs.usage('ana', 0).jobs).toBe(1);
  });

  it('of a running job cancels it and tells who waits', async () => {
    await using bench = await JobBench.open();
    const id = await bench.submit({ text: 'a b', hangsAt: 1 });
    await until(bench, id, isPart(0));
    const waiting = bench.jobs.wait(id);
    expect(await bench.jobs.delete(id)).toBe(true);
    expect(await waiting).toMatchObject({ state: 'cancelled', reason: 'deleted' });
    expect(existsSync(join(bench.dataDir, 'jobs', id))).toBe(false);
  });
});

describe('running again', () => {
  it('is a new job for the same bytes while they are kept', async () => {
    await using bench = await JobBench.open();
    const id = await bench.submit({ text: 'a b' });
    await bench.jobs.wait(id);
    const again = await bench.jobs.rerun(id, { ...OPTIONS, language: 'de' }, 'ana');
    expect(again?.job.id).not.toBe(id);
    expect(again?.job.options).toEqual({ ...OPTIONS, language: 'de' });
    await bench.jobs.delete(id);
    expect(await bench.jobs.wait(again!.job.id)).toMatchObject({ state: 'succeeded' });
    await bench.reopen({ keepUploadsSeconds: 0 });
    const short = await bench.submit({ text: 'gone' });
    await bench.jobs.wait(short);
    await expect.poll(() => existsSync(join(bench.dataDir, 'jobs', short, 'recording'))).toBe(false);
    await expect(bench.jobs.rerun(short, OPTIONS)).rejects.toMatchObject({ code: 'input_gone' });
  });
});

describe('the list', () => {
  it('pages newest first, filters, and goes on behind a job that was deleted', async () => {
    await using bench = await JobBench.open();
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) ids.unshift(await bench.submit({ text: `t${index}` }));
    await Promise.all(ids.map((id) => bench.jobs.wait(id)));
    const first = bench.jobs.list({ client: 'ana', limit: 2 });
    expect(first.jobs.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect(first.next).toBe(ids[1]);
    await bench.jobs.delete(ids[1]!);
    const second = bench.jobs.list({ client: 'ana', limit: 3, after: first.next! });
    expect(second).toMatchObject({ jobs: ids.slice(2).map((id) => ({ id })) });
    expect(second.next).toBeUndefined();
    expect(bench.jobs.list({ states: ['failed', 'queued'], limit: 9 }).jobs).toEqual([]);
    expect(bench.jobs.list({ states: ['succeeded'], dialect: 'jobs', limit: 9 }).jobs).toHaveLength(4);
  });
});
