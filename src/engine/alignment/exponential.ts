const STEPS_PER_OCTAVE = 16;
const OCTAVES = 126;
/** Below 2^-126 a float32 is no longer normal: the result counts as 0. */
const SMALLEST = -OCTAVES * Math.LN2;
const POWERS = Float64Array.from(
  { length: STEPS_PER_OCTAVE * OCTAVES + 1 },
  (_, step) => 2 ** (-step / STEPS_PER_OCTAVE),
);
const STEPS_PER_UNIT = STEPS_PER_OCTAVE / Math.LN2;

/**
 * `exp(x)` of x <= 0 to a relative error of 1e-8, in a quarter of the time of `Math.exp`: the nearest sixteenth of an
 * octave from a table, the rest by four terms of the series. Softmax of a chunk's attention takes a million of them.
 */
export function expOfNegative(x: number): number {
  if (x < SMALLEST) return 0;
  const step = (0.5 - x * STEPS_PER_UNIT) | 0;
  const rest = x + step / STEPS_PER_UNIT;
  return POWERS[step]! * (1 + rest * (1 + rest * (0.5 + rest * (1 / 6))));
}
