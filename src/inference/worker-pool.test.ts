import { expect, it } from 'vitest';
import { siblingModule } from '../core/modules.ts';
import type { TestResult, TestSetup, TestTask } from './fixtures/pool-thread.ts';
import { type RunOptions, WorkerPool } from './worker-pool.ts';

type Pool = WorkerPool<TestSetup, TestTask, TestResult, string>;

const LANES = [
  { name: 'one', perThread: 1 },
  { name: 'two', perThread: 2 },
];

function openPool(threads: number, setup: TestSetup = { greeting: 'hello' }): Pool & AsyncDisposable {
  const entry = siblingModule(import.meta.url, './fixtures/pool-thread');
  const pool: Pool = new WorkerPool({ entry, threads, setup }, LANES);
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.close() });
}

/** Starts a task that stays in its thread; resolves when it is there. */
async function hold(
  pool: Pool,
  lane: string,
  options: RunOptions<string> = {},
): Promise<{ result: Promise<TestResult> }> {
  const held = Promise.withResolvers<void>();
  const result = pool.run(lane, { act: 'hold' }, { ...options, onNotice: () => held.resolve() });
  result.catch(() => undefined);
  await held.promise;
  return { result };
}

it('answers every task with its own result, and gives threads their set-up', async () => {
  await using pool = openPool(2, { greeting: 'good day' });
  await pool.ready();
  const values = Array.from({ length: 40 }, (_, value) => value);
  const results = await Promise.all(values.map((value) => pool.run('two', { act: 'echo', value })));
  expect(results).toEqual(values.map((value) => ({ value, greeting: 'good day' })));
});

it('lets no thread hold more of a lane than it may, and counts lanes apart', async () => {
  await using pool = openPool(2);
  const started: string[] = [];
  const start = (lane: string) => {
    pool.run(lane, { act: 'hold' }, { onStart: () => started.push(lane) }).catch(() => undefined);
  };
  for (let count = 0; count < 5; count++) start('one');
  for (let count = 0; count < 7; count++) start('two');
  // Tasks are handed out at once, in the thread of the caller.
  expect(started.filter((lane) => lane === 'one')).toHaveLength(2);
  expect(started.filter((lane) => lane === 'two')).toHaveLength(4);
});

it('takes tasks in order of arrival', async () => {
  await using pool = openPool(1);
  const cancel = new AbortController();
  const { result: first } = await hold(pool, 'one', { signal: cancel.signal });
  const order: number[] = [];
  const rest = [0, 1, 2, 3].map((value) =>
    pool.run('one', { act: 'echo', value }, { onStart: () => order.push(value) }),
  );
  expect(order).toEqual([]);
  cancel.abort();
  await expect(first).rejects.toMatchObject({ code: 'cancelled' });
  await Promise.all(rest);
  expect(order).toEqual([0, 1, 2, 3]);
});

it('gives a task to the thread that holds the fewest', async () => {
  await using pool = openPool(2);
  const cancel = new AbortController();
  // Both threads hold one; where one is freed, the next two tasks may not crowd the other.
  await hold(pool, 'two');
  const { result } = await hold(pool, 'two', { signal: cancel.signal });
  cancel.abort();
  await result.catch(() => undefined);
  await pool.run('one', { act: 'echo', value: 1 });
  // Each resolves only when its task is in a thread.
  await hold(pool, 'two');
  await hold(pool, 'two');
  await hold(pool, 'two');
});

it('carries notices out and replies in, to the task that asked', async () => {
  await using pool = openPool(2);
  const heard: string[] = [];
  const results = await Promise.all(
    [3, 4, 5].map((value) =>
      pool.run(
        'two',
        { act: 'ask', value },
        {
          onNotice: (notice, reply) => {
            heard.push(notice);
            reply(value * 10);
          },
        },
      ),
    ),
  );
  expect(results.map(({ value }) => value)).toEqual([90, 160, 250]);
  expect(heard.sort()).toEqual(['how much for 3?', 'how much for 4?', 'how much for 5?']);
});

it('rejects a task that a thread refuses, and goes on', async () => {
  await using pool = openPool(1);
  await expect(pool.run('one', { act: 'refuse' })).rejects.toMatchObject({
    code: 'input_unreadable',
    message: 'The spool is gone.',
  });
  expect((await pool.run('one', { act: 'echo', value: 8 })).value).toBe(8);
});

it('drops a cancelled task that waits, without starting it', async () => {
  await using pool = openPool(1);
  const release = new AbortController();
  const { result: first } = await hold(pool, 'one', { signal: release.signal });
  const cancel = new AbortController();
  let started = false;
  const waiting = pool.run(
    'one',
    { act: 'echo', value: 1 },
    {
      signal: cancel.signal,
      onStart: () => {
        started = true;
      },
    },
  );
  const next = pool.run('one', { act: 'echo', value: 2 });
  cancel.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  release.abort();
  await first.catch(() => undefined);
  expect((await next).value).toBe(2);
  expect(started).toBe(false);
  await expect(pool.run('one', { act: 'echo', value: 3 }, { signal: cancel.signal })).rejects.toMatchObject({
    code: 'cancelled',
  });
});

it('tells the thread of a cancelled task, whose place stays taken until the thread has let go', async () => {
  await using pool = openPool(1);
  const cancel = new AbortController();
  const { result } = await hold(pool, 'one', { signal: cancel.signal });
  let started = false;
  const next = pool.run(
    'one',
    { act: 'echo', value: 6 },
    {
      onStart: () => {
        started = true;
      },
    },
  );
  cancel.abort();
  await expect(result).rejects.toMatchObject({ code: 'cancelled' });
  expect(started).toBe(false);
  expect((await next).value).toBe(6);
});

it.each([
  ['throws', { act: 'throw' }, { code: 'engine_crashed', message: expect.stringContaining('the thread broke') }],
  ['exits', { act: 'exit', code: 7 }, { code: 'engine_crashed', message: expect.stringContaining('code 7') }],
  ['fills its heap', { act: 'fill-heap' }, { code: 'engine_out_of_memory' }],
] as const)('fails what is held and what is queued when a thread %s, and says so', async (_, task, error) => {
  await using pool = openPool(2);
  const { result: held } = await hold(pool, 'one');
  const crash = pool.run('one', task);
  const queued = pool.run('one', { act: 'echo', value: 1 });
  const outcomes = [held, crash, queued].map((promise) => expect(promise).rejects.toMatchObject(error));
  await Promise.all(outcomes);
  expect(await pool.failed).toMatchObject(error);
  await expect(pool.run('one', { act: 'echo', value: 2 })).rejects.toMatchObject(error);
});

it.each(['throw', 'exit'] as const)('is never ready where a thread fails at its start by %s', async (failAtStart) => {
  await using pool = openPool(2, { greeting: '', failAtStart });
  await expect(pool.ready()).rejects.toMatchObject({
    code: 'engine_crashed',
    message: expect.stringContaining(failAtStart === 'throw' ? 'the models are broken' : 'ended with code 3'),
  });
  await expect(pool.run('one', { act: 'echo', value: 2 })).rejects.toThrow();
});

it('cancels everything when it is closed', async () => {
  const pool = openPool(1);
  const { result: held } = await hold(pool, 'one');
  const queued = pool.run('one', { act: 'echo', value: 1 });
  const outcomes = [held, queued].map((promise) => expect(promise).rejects.toMatchObject({ code: 'cancelled' }));
  let failed = false;
  void pool.failed.then(() => {
    failed = true;
  });
  await pool.close();
  await Promise.all(outcomes);
  await expect(pool.run('one', { act: 'echo', value: 2 })).rejects.toMatchObject({ code: 'cancelled' });
  expect(failed).toBe(false);
});
