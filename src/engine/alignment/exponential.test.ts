import fc from 'fast-check';
import { expect, it } from 'vitest';
import { expOfNegative } from './exponential.ts';

it('is Math.exp to 2e-8 for every x from -86 to 0', () => {
  expect(expOfNegative(0)).toBe(1);
  fc.assert(
    fc.property(fc.double({ min: -86, max: 0, noNaN: true }), (x) => {
      expect(Math.abs(expOfNegative(x) / Math.exp(x) - 1)).toBeLessThan(2e-8);
    }),
    { numRuns: 2000 },
  );
});

it('is 0 for what a float32 cannot hold', () => {
  expect(expOfNegative(-88)).toBe(0);
  expect(expOfNegative(-1e9)).toBe(0);
  expect(expOfNegative(Number.NEGATIVE_INFINITY)).toBe(0);
});
