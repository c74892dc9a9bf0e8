import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FairLane, type Turn } from './fair-lane.ts';

/** Tasks that say when they begin, and end when they are told. */
class Script {
  readonly order: string[] = [];
  readonly #ends: (() => void)[] = [];

  task(name: string): () => Promise<string> {
    return () =>
      new Promise((resolve) => {
        this.order.push(name);
        this.#ends.push(() => resolve(name));
      });
  }

  /** Ends the task that began first of those that run. */
  async end(): Promise<void> {
    this.#ends.shift()!();
    // A lane begins the next one when it has heard of the end: some promises later.
    await new Promise((settle) => setImmediate(settle));
  }
}

const turn = (flow: string, weight = 1): Turn => ({ flow, weight, sharing: true });

it('lets a dictation in behind the chunk that is next, not behind all of a meeting', async () => {
  const lane = new FairLane(1);
  const script = new Script();
  const meeting = Array.from({ length: 5 }, (_, i) => lane.run(turn('meeting'), 30, script.task(`m${i}`)));
  await script.end();
  const dictation = lane.run(turn('dictation'), 5, script.task('d'));
  for (let i = 0; i < 5; i++) await script.end();
  expect(script.order).toEqual(['m0', 'm1', 'd', 'm2', 'm3', 'm4']);
  expect(await dictation).toBe('d');
  await Promise.all(meeting);
  expect([lane.running, lane.hasWaiting]).toEqual([0, false]);
});

it('does not starve a meeting while one dictation follows another', async () => {
  const lane = new FairLane(1);
  const script = new Script();
  const all = [lane.run(turn('meeting'), 30, script.task('m')), lane.run(turn('meeting'), 30, script.task('m'))];
  for (let i = 0; i < 12; i++) {
    all.push(lane.run(turn(`d${i}`), 5, script.task('d')));
    await script.end();
  }
  // 30 s of dictations pass, then it is the meeting's turn.
  expect(script.order.slice(1).indexOf('m')).toBeGreaterThanOrEqual(5);
  expect(script.order.slice(1).indexOf('m')).toBeLessThanOrEqual(6);
  while (script.order.length < all.length || lane.running > 0) await script.end();
  await Promise.all(all);
});

it('shares in proportion to weights, and lets an infinite one go before all', async () => {
  const lane = new FairLane(1);
  const script = new Script();
  const all: Promise<string>[] = [lane.run(turn('first'), 1, script.task('first'))];
  for (let i = 0; i < 30; i++) {
    all.push(lane.run(turn('heavy', 2), 10, script.task('heavy')), lane.run(turn('light'), 10, script.task('light')));
  }
  for (let i = 0; i < 30; i++) await script.end();
  const heavy = script.order.filter((name) => name === 'heavy').length;
  expect(heavy).toBeGreaterThanOrEqual(19);
  expect(heavy).toBeLessThanOrEqual(21);
  all.push(lane.run(turn('question', Number.POSITIVE_INFINITY), 10, script.task('question')));
  await script.end();
  expect(script.order.at(-1)).toBe('question');
  while (lane.running > 0) await script.end();
  await Promise.all(all);
});

it('lets a task go ahead of what its own flow has waiting, and of no other', async () => {
  const lane = new FairLane(1);
  const script = new Script();
  const all = ['a0', 'a1', 'a2'].map((name) => lane.run(turn('a'), 10, script.task(name)));
  all.push(lane.run(turn('b'), 5, script.task('b0')));
  all.push(lane.run({ ...turn('a'), ahead: true }, 10, script.task('first of a')));
  while (lane.running > 0) await script.end();
  await Promise.all(all);
  expect(script.order).toEqual(['a0', 'b0', 'first of a', 'a1', 'a2']);
});

it('forgets what was cancelled: its flow has lost no turn by it', async () => {
  const lane = new FairLane(1);
  const script = new Script();
  const stop = new AbortController();
  const running = lane.run(turn('a'), 30, script.task('a0'));
  const cancelled = Array.from({ length: 100 }, () => lane.run(turn('a'), 30, script.task('gone'), stop.signal));
  const outcomes = Promise.all(cancelled.map((each) => expect(each).rejects.toMatchObject({ code: 'cancelled' })));
  const other = Array.from({ length: 3 }, (_, i) => lane.run(turn('b'), 30, script.task(`b${i}`)));
  stop.abort();
  await outcomes;
  const next = lane.run(turn('a'), 5, script.task('a1'));
  for (let i = 0; i < 5; i++) await script.end();
  expect(script.order.indexOf('a1')).toBeLessThan(script.order.indexOf('b1'));
  expect(script.order).not.toContain('gone');
  await Promise.all([running, next, ...other]);
});

it('keeps slots free for flows that have none, where a flow shares', async () => {
  const lane = new FairLane(4, 1);
  const script = new Script();
  const all = Array.from({ length: 4 }, (_, i) => lane.run(turn('meeting'), 30, script.task(`m${i}`)));
  expect(script.order).toEqual(['m0', 'm1', 'm2']);
  all.push(lane.run(turn('dictation'), 5, script.task('d')));
  expect(script.order).toEqual(['m0', 'm1', 'm2', 'd']);
  while (lane.running > 0) await script.end();
  await Promise.all(all);
  const alone = new FairLane(4, 1);
  const selfish = Array.from({ length: 4 }, (_, i) =>
    alone.run({ ...turn('meeting'), sharing: false }, 30, script.task(`s${i}`)),
  );
  expect(alone.running).toBe(4);
  while (alone.running > 0) await script.end();
  await Promise.all(selfish);
});

it('frees the slot of a task that fails', async () => {
  const lane = new FairLane(1);
  await expect(lane.run(turn('a'), 1, () => Promise.reject(new Error('broke')))).rejects.toThrow('broke');
  expect(await lane.run(turn('a'), 1, async () => 'next')).toBe('next');
});

it('begins every task once, in order inside a flow, never more than there are slots', async () => {
  const tasks = fc.array(fc.record({ flow: fc.nat(3), cost: fc.integer({ min: 1, max: 30 }) }), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(tasks, fc.integer({ min: 1, max: 4 }), async (wanted, slots) => {
      const lane = new FairLane(slots);
      const begun: { readonly flow: number; readonly index: number }[] = [];
      let most = 0;
      await Promise.all(
        wanted.map(({ flow, cost }, index) =>
          lane.run(turn(String(flow)), cost, async () => {
            begun.push({ flow, index });
            most = Math.max(most, lane.running);
            await Promise.resolve();
          }),
        ),
      );
      expect(begun.length).toBe(wanted.length);
      expect(most).toBeLessThanOrEqual(slots);
      for (const flow of [0, 1, 2, 3]) {
        const order = begun.filter((each) => each.flow === flow).map(({ index }) => index);
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }
    }),
  );
});
