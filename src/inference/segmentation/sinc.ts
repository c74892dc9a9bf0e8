export interface SincParameters {
  /** Lower edges in Hz above the minimum, [pairs]. */
  readonly low: Float32Array;
  /** Band widths in Hz above the minimum, [pairs]. */
  readonly band: Float32Array;
  /** Left half of the time axis, already 2 pi n / 16000, [125]. */
  readonly times: Float32Array;
  /** Left half of the Hamming window, [125]. */
  readonly window: Float32Array;
}

const MINIMUM_LOW_HZ = 50;
const MINIMUM_BAND_HZ = 50;
const NYQUIST_HZ = 8000;

/**
 * Impulse responses of the learnt band-pass filters, [2 pairs, 251]: all even (cosine) filters, then all odd (sine) ones.
 * Computed once when the graph is written, where the reference does it in every forward pass. Source: asteroid-filterbanks
 * 0.4, `ParamSincFB`.
 */
export function sincKernels({ low, band, times, window }: SincParameters): Float32Array {
  const pairs = low.length;
  const half = window.length;
  const taps = 2 * half + 1;
  const kernels = new Float32Array(2 * pairs * taps);
  for (let pair = 0; pair < pairs; pair++) {
    const from = MINIMUM_LOW_HZ + Math.abs(low[pair]!);
    const to = Math.min(Math.max(from + MINIMUM_BAND_HZ + Math.abs(band[pair]!), MINIMUM_LOW_HZ), NYQUIST_HZ);
    const even = pair * taps;
    const odd = (pairs + pair) * taps;
    for (let i = 0; i < half; i++) {
      const time = times[i]!;
      const scale = (window[i]! * 2) / (time * 2 * (to - from));
      const cosine = (Math.sin(to * time) - Math.sin(from * time)) * scale;
      const sine = (Math.cos(from * time) - Math.cos(to * time)) * scale;
      kernels[even + i] = cosine;
      kernels[even + taps - 1 - i] = cosine;
      kernels[odd + i] = sine;
      kernels[odd + taps - 1 - i] = -sine;
    }
    kernels[even + half] = 1;
  }
  return kernels;
}
