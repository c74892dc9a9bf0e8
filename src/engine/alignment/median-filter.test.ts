import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addMedians, MEDIAN_RADIUS, mirrorEnds, paddedLength } from './median-filter.ts';

/** The definition: sort the seven, take the fourth; beyond the ends the values are mirrored. */
function medianOfSeven(values: readonly number[], frame: number): number {
  const last = values.length - 1;
  const window = [-3, -2, -1, 0, 1, 2, 3].map((step) => {
    const index = Math.abs(frame + step);
    return values[index > last ? 2 * last - index : index]!;
  });
  return window.sort((a, b) => a - b)[3]!;
}

describe('addMedians', () => {
  const limit = 2 ** 30 - 1;
  const value = fc.oneof(fc.integer({ min: -limit, max: limit }), fc.integer({ min: -2, max: 2 }));

  it('adds the median of 7 around every value of any line', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 4, maxLength: 60 }), (values) => {
        const line = new Int32Array(paddedLength(values.length));
        line.set(values, MEDIAN_RADIUS);
        mirrorEnds(line, values.length);
        const target = new Int32Array(values.length + 2).fill(5);
        addMedians(line, target, 1, values.length);
        const expected = values.map((_, frame) => 5 + medianOfSeven(values, frame));
        expect([...target]).toEqual([5, ...expected, 5]);
      }),
    );
  });
});
