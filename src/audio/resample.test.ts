import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Resampler } from './resample.ts';

const tone = (hz: number, rate: number, seconds: number) =>
  Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));

function resample(input: Float32Array, from: number, to: number, piece: number): Float32Array {
  const resampler = new Resampler(from, to);
  const parts: number[] = [];
  for (let at = 0; at < input.length; at += piece) parts.push(...resampler.push(input.subarray(at, at + piece)));
  parts.push(...resampler.flush());
  return Float32Array.from(parts);
}

it.each([8000, 11_025, 22_050, 44_100, 48_000, 96_000])(
  'turns a tone at %i Hz into the same tone at 16 kHz',
  (rate) => {
    const result = resample(tone(440, rate, 0.5), rate, 16_000, 4096);
    const expected = tone(440, 16_000, 0.5);
    expect(result.length).toBe(Math.ceil((Math.round(rate / 2) * 16_000) / rate));
    // The first and last samples have no neighbours to be computed from.
    const errors = result.subarray(400, 7600).map((value, i) => Math.abs(value - expected[400 + i]!));
    expect(Math.max(...errors)).toBeLessThan(2e-3);
  },
);

it('removes what 16 kHz cannot carry instead of folding it back', () => {
  const result = resample(tone(11_000, 48_000, 0.5), 48_000, 16_000, 4096);
  expect(Math.max(...result.subarray(400, 7600).map(Math.abs))).toBeLessThan(1e-3);
});

it('gives the same samples however the input is cut', () => {
  const input = tone(700, 44_100, 0.2);
  const whole = resample(input, 44_100, 16_000, input.length);
  expect(whole.length).toBe(Math.ceil((input.length * 16_000) / 44_100));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), (piece) => {
      expect(resample(input, 44_100, 16_000, piece)).toEqual(whole);
    }),
    { numRuns: 20 },
  );
});
