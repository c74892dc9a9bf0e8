import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairQueue, type QueueItem } from './fair-queue.ts';

let order = 0;

function item(flow: string, costSeconds = 10, weight = 1): QueueItem {
  order++;
  return { id: `${flow}${order}`, flow, weight, order, costSeconds };
}

function queueOf(items: readonly QueueItem[]): FairQueue<QueueItem> {
  const queue = new FairQueue<QueueItem>();
  for (const one of items) queue.add(one);
  return queue;
}

function drain(queue: FairQueue<QueueItem>): QueueItem[] {
  const taken: QueueItem[] = [];
  for (let next = queue.peek(); next; next = queue.peek()) {
    queue.take(next);
    taken.push(next);
  }
  return taken;
}

const anyItem = fc.record({
  flow: fc.constantFrom('a', 'b', 'c', 'd'),
  costSeconds: fc.integer({ min: 1, max: 10_000 }),
  weight: fc.constantFrom(1, 4, 16),
});

/** Items whose weight belongs to their flow, as it does where a flow is a client and a class. */
const anyItems = fc.array(anyItem, { minLength: 1, maxLength: 60 }).map((drawn) => {
  const weights = new Map(drawn.map(({ flow, weight }) => [flow, weight]));
  return drawn.map(({ flow, costSeconds }) => item(flow, costSeconds, weights.get(flow)));
});

describe('a fair queue', () => {
  it('lets everything out once, each flow in order of arrival', () => {
    fc.assert(
      fc.property(anyItems, (items) => {
        const taken = drain(queueOf(items));
        expect(taken.map(({ id }) => id).sort()).toEqual(items.map(({ id }) => id).sort());
        for (const flow of ['a', 'b', 'c', 'd']) {
          const orders = taken.filter((one) => one.flow === flow).map((one) => one.order);
          expect(orders).toEqual([...orders].sort((x, y) => x - y));
        }
      }),
    );
  });

  it('gives flows that both have work shares that never differ by more than an item of each', () => {
    fc.assert(
      fc.property(anyItems, (items) => {
        const queue = queueOf(items);
        const left = new Map<string, number>();
        for (const { flow } of items) left.set(flow, (left.get(flow) ?? 0) + 1);
        const largest = new Map<string, number>();
        for (const { flow, costSeconds, weight } of items) {
          largest.set(flow, Math.max(largest.get(flow) ?? 0, costSeconds / weight));
        }
        const served = new Map<string, number>();
        for (let next = queue.peek(); next; next = queue.peek()) {
          const busy = [...left].filter(([, count]) => count > 0).map(([flow]) => flow);
          for (const a of busy) {
            for (const b of busy) {
              // Bound of Goyal, Vin, Cheng (1996), theorem 1.
              const apart = Math.abs((served.get(a) ?? 0) - (served.get(b) ?? 0));
              expect(apart).toBeLessThanOrEqual(largest.get(a)! + largest.get(b)! + 1e-6);
            }
          }
          queue.take(next);
          left.set(next.flow, left.get(next.flow)! - 1);
          served.set(next.flow, (served.get(next.flow) ?? 0) + next.costSeconds / next.weight);
        }
      }),
    );
  });

  it('starves nobody: whoever keeps coming, a waiting item leaves after a bounded amount of others', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 100 }), (weight, cost) => {
        const patient = item('patient', 3600, 1);
        const queue = queueOf([item('busy', cost, weight), item('patient', 60, 1), patient]);
        let others = 0;
        for (let next = queue.peek(); next !== patient; next = queue.peek()) {
          queue.take(next!);
          if (next!.flow === 'busy') others += next!.costSeconds;
          queue.add(item('busy', cost, weight));
        }
        expect(others).toBeLessThanOrEqual(60 * weight + 2 * cost);
      }),
    );
  });

  it('puts the newcomer with a short item before the backlog of others', () => {
    const queue = queueOf(Array.from({ length: 20 }, () => item('archive', 7200)));
    for (let taken = 0; taken < 5; taken++) queue.take(queue.peek()!);
    queue.add(item('dictation', 3, 16));
    expect(queue.peek()?.flow).toBe('dictation');
  });

  it('lets nobody save up turns while away', () => {
    const queue = queueOf(Array.from({ length: 10 }, () => item('always')));
    for (let taken = 0; taken < 8; taken++) queue.take(queue.peek()!);
    for (let count = 0; count < 4; count++) queue.add(item('late'));
    const flows = drain(queue).map(({ flow }) => flow);
    expect(flows.slice(0, 4).filter((flow) => flow === 'always')).toHaveLength(2);
  });

  it('passes over a flow whose first item may not start, and comes back to it first', () => {
    const [blocked, ...others] = [item('blocked'), item('free'), item('free')];
    const queue = queueOf([blocked!, ...others]);
    const next = queue.peek((one) => one !== blocked)!;
    queue.take(next);
    expect(next.flow).toBe('free');
    expect(queue.peek()).toBe(blocked);
  });

  it('puts what comes back to its old place, and forgets what is removed', () => {
    const [first, second, third] = [item('a'), item('a'), item('a')];
    const queue = queueOf([first!, second!, third!]);
    queue.take(first!);
    queue.remove(second!);
    queue.add(first!);
    expect(queue.inOrder()).toEqual([first, third]);
    expect(drain(queue)).toEqual([first, third]);
  });

  it('has every flow begin equal after a rest, whatever each had been served before', () => {
    fc.assert(
      fc.property(anyItems, (items) => {
        const queue = queueOf(items);
        drain(queue);
        queue.rest();
        const after = ['a', 'b', 'c', 'd', 'a', 'b', 'c', 'd'].map((flow) => item(flow));
        for (const one of after) queue.add(one);
        expect(drain(queue)).toEqual(after);
      }),
    );
  });

  it('settles nothing while something waits', () => {
    const queue = queueOf([item('a', 1000), item('b', 10), item('b', 10)]);
    for (let taken = 0; taken < 2; taken++) queue.take(queue.peek()!);
    queue.rest();
    queue.add(item('a', 10));
    expect(drain(queue).map(({ flow }) => flow)).toEqual(['b', 'a']);
  });

  it('charges a flow for what an item turned out to be', () => {
    const queue = queueOf([item('a', 10), item('b', 10), item('a', 10), item('b', 10)]);
    queue.take(queue.peek()!);
    queue.charge('a', 1, 1000);
    expect(drain(queue).map(({ flow }) => flow)).toEqual(['b', 'b', 'a']);
  });
});
