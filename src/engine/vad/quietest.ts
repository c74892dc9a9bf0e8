/** Length of the stretch whose loudness is compared: 100 ms at 16 kHz. */
const STRETCH_SAMPLES = 1600;
/** Step between compared stretches: 10 ms. */
const STEP_SAMPLES = 160;

/**
 * Offset of the middle of the quietest 100 ms in `samples` (mono, 16 kHz): where a cut hurts least when nobody pauses. The
 * middle of everything where there is less than that.
 */
export function quietestOffset(samples: Float32Array): number {
  const steps = Math.floor(samples.length / STEP_SAMPLES);
  const perStretch = STRETCH_SAMPLES / STEP_SAMPLES;
  if (steps < perStretch) return Math.floor(samples.length / 2);
  const energies = Float64Array.from({ length: steps }, (_, step) => {
    let energy = 0;
    for (let i = step * STEP_SAMPLES; i < (step + 1) * STEP_SAMPLES; i++) energy += samples[i]! ** 2;
    return energy;
  });
  let sum = 0;
  let quietest = Number.POSITIVE_INFINITY;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    sum += energies[step]! - (step >= perStretch ? energies[step - perStretch]! : 0);
    if (step >= perStretch - 1 && sum < quietest) {
      quietest = sum;
      found = step + 1 - perStretch;
    }
  }
  return found * STEP_SAMPLES + STRETCH_SAMPLES / 2;
}
