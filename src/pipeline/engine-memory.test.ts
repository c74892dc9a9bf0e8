import fc from 'fast-check';
import { expect, it } from 'vitest';
import { estimateEngineBytes, planWorkers } from './engine-memory.ts';

const GB = 1e9;

it.each([
  [1, 1, 1],
  [2, 2, 1],
  [4, 4, 1],
  [5, 5, 1],
  [6, 6, 1],
  [7, 7, 1],
  [8, 4, 2],
  [16, 4, 4],
  [10, 5, 2],
])('gives %i threads to %i workers of %i', (threads, workers, threadsEach) => {
  expect(planWorkers(threads, 0.3 * GB, 64 * GB)).toEqual({ workers, threadsEach });
});

it('takes fewer workers where memory is short, each with more threads', () => {
  expect(planWorkers(8, 3 * GB, 8.5 * GB)).toEqual({ workers: 2, threadsEach: 4 });
  expect(planWorkers(8, 30 * GB, 8 * GB)).toEqual({ workers: 1, threadsEach: 8 });
});

it('never takes more threads than there are, and leaves less than half of them unused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 256 }), fc.double({ min: 0.1, max: 9, noNaN: true }), (threads, each) => {
      const { workers, threadsEach } = planWorkers(threads, each * GB, 32 * GB);
      expect(workers * threadsEach).toBeLessThanOrEqual(threads);
      expect(workers * threadsEach).toBeGreaterThan(threads / 2);
    }),
  );
});

it('expects more of larger models and of more workers, and nothing of those it does not know', () => {
  const base = estimateEngineBytes('base', 2, 0)!;
  // A recording of ten minutes with words and speakers took 977 MB with base on two processors.
  expect(base).toBeGreaterThan(0.7 * GB);
  expect(base).toBeLessThan(1.2 * GB);
  expect(estimateEngineBytes('small', 2, 0)!).toBeGreaterThan(base);
  expect(estimateEngineBytes('base', 1, 0)!).toBeLessThan(base);
  expect(estimateEngineBytes('/models/own', 2, 0)).toBeUndefined();
});
