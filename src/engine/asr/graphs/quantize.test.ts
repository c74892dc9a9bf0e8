import fc from 'fast-check';
import { expect, it } from 'vitest';
import { quantizeWeights, toFloat16, transpose } from './quantize.ts';

/** The value of half-precision bits, by the definition of IEEE 754. */
function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

it('gives every half-precision number back', () => {
  const halves = Array.from({ length: 0x10000 }, (_, half) => half);
  const back = toFloat16(Float32Array.from(halves, fromHalf));
  const lost = halves.filter((half) =>
    Number.isNaN(fromHalf(half)) ? !Number.isNaN(fromHalf(back[half]!)) : back[half] !== half,
  );
  expect(lost).toEqual([]);
});

it('rounds to the nearest half-precision number', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, min: Math.fround(-65_504), max: Math.fround(65_504) }), (value) => {
      const [half] = toFloat16(Float32Array.of(value)) as unknown as [number];
      const error = Math.abs(fromHalf(half) - value);
      for (const neighbour of [half - 1, half + 1]) {
        const other = fromHalf(neighbour & 0xffff);
        if (Number.isFinite(other)) expect(error).toBeLessThanOrEqual(Math.abs(other - value));
      }
    }),
  );
  // Half-way cases go to the even neighbour; what is too large becomes infinity.
  const cases = Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 65_520, -1e9, 2 ** -25, 3 * 2 ** -25);
  const expected = [1, 1 + 2 ** -9, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 2 ** -23];
  expect([...toFloat16(cases)].map(fromHalf)).toEqual(expected);
});

const anyMatrix = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 })).chain(([rows, columns]) =>
  fc.tuple(
    fc.constant(rows),
    fc.constant(columns),
    fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), {
      minLength: rows * columns,
      maxLength: rows * columns,
    }),
  ),
);

it('keeps every weight within half a step of its output channel', () => {
  fc.assert(
    fc.property(anyMatrix, ([outputs, inputs, data]) => {
      const { values, scales } = quantizeWeights(Float32Array.from(data), outputs, inputs);
      for (let o = 0; o < outputs; o++) {
        const channel = data.slice(o * inputs, (o + 1) * inputs);
        const largest = Math.max(...channel.map(Math.abs));
        for (let i = 0; i < inputs; i++) {
          const error = Math.abs(values[i * outputs + o]! * scales[o]! - channel[i]!);
          expect(error).toBeLessThanOrEqual(largest / 254 + 1e-6 * largest + 1e-12);
        }
      }
    }),
  );
});

it('turns a matrix around', () => {
  expect([...transpose(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)]).toEqual([1, 4, 2, 5, 3, 6]);
});
