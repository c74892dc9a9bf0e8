import { SAMPLE_RATE } from '../core/units.ts';
import { PowerSpectrum } from './fft.ts';

export type MelBins = 80 | 128;

/** Samples of one analysis window, and points of its Fourier transform. */
export const MEL_WINDOW_SAMPLES = 400;
/** Samples from one frame to the next (10 ms). */
export const MEL_HOP_SAMPLES = 160;
/** Bins of the power spectrum a filter weighs. */
export const SPECTRUM_BINS = MEL_WINDOW_SAMPLES / 2 + 1;
/** Energies below this count as this before the logarithm. */
export const MEL_ENERGY_FLOOR = 1e-10;
/** Zeros that faster-whisper appends to the samples before the transform. */
const TAIL_PADDING = 160;

/** Periodic Hann window, `Float32Array`, [400]. */
export function melWindow(): Float32Array {
  return Float32Array.from(
    { length: MEL_WINDOW_SAMPLES },
    (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / MEL_WINDOW_SAMPLES),
  );
}

/**
 * Slaney-style mel filters from 0 to 8 kHz, each of equal area: `Float32Array`, [mels, 201], as
 * `librosa.filters.mel(sr=16000, n_fft=400, n_mels=mels)`, which Whisper ships.
 */
export function melFilterBank(mels: number): Float32Array {
  const points = Array.from({ length: mels + 2 }, (_, i) => melToHz((hzToMel(SAMPLE_RATE / 2) * i) / (mels + 1)));
  const filters = new Float32Array(mels * SPECTRUM_BINS);
  for (let mel = 0; mel < mels; mel++) {
    const left = points[mel]!;
    const centre = points[mel + 1]!;
    const right = points[mel + 2]!;
    for (let k = 0; k < SPECTRUM_BINS; k++) {
      const hz = (k * SAMPLE_RATE) / MEL_WINDOW_SAMPLES;
      const height = Math.min((hz - left) / (centre - left), (right - hz) / (right - centre));
      if (height > 0) filters[mel * SPECTRUM_BINS + k] = (height * 2) / (right - left);
    }
  }
  return filters;
}

/**
 * Whisper's log-mel spectrogram of `samples` (mono, 16 kHz, [-1, 1)): `data` is `Float32Array`, [mels, frames], with
 * `frames = floor(samples / 160)`. Frame t is centred at sample 160t; values are log10 of the energy, at most 8 below the
 * loudest, then (x + 4) / 4. This is the reference that the graph's own features are tested against.
 *
 * Source: `FeatureExtractor.__call__(samples)[:, :-1]` of faster-whisper, which is how its batched pipeline calls it.
 */
export function logMel(samples: Float32Array, mels: MelBins): { data: Float32Array; frames: number } {
  const filters = sparseFilters(mels);
  const spectrum = new PowerSpectrum(MEL_WINDOW_SAMPLES);
  const window = melWindow();
  const padded = samples.length + TAIL_PADDING;
  const frames = Math.floor(samples.length / MEL_HOP_SAMPLES);
  const data = new Float32Array(mels * frames);
  const frame = new Float64Array(MEL_WINDOW_SAMPLES);
  let loudest = Number.NEGATIVE_INFINITY;
  // The reference computes one frame more than it keeps, and that frame takes part in the maximum.
  for (let t = 0; t <= frames; t++) {
    const start = t * MEL_HOP_SAMPLES - MEL_WINDOW_SAMPLES / 2;
    for (let i = 0; i < MEL_WINDOW_SAMPLES; i++) {
      frame[i] = (samples[reflect(start + i, padded)] ?? 0) * window[i]!;
    }
    const power = spectrum.compute(frame);
    for (let mel = 0; mel < mels; mel++) {
      const { first, weights } = filters[mel]!;
      let energy = 0;
      for (let i = 0; i < weights.length; i++) energy += weights[i]! * power[first + i]!;
      const level = Math.log10(Math.max(energy, MEL_ENERGY_FLOOR));
      if (level > loudest) loudest = level;
      if (t < frames) data[mel * frames + t] = level;
    }
  }
  const floor = loudest - 8;
  for (let i = 0; i < data.length; i++) data[i] = (Math.max(data[i]!, floor) + 4) / 4;
  return { data, frames };
}

/** Index of a position outside 0 … length - 1 mirrored at the ends, the end sample itself not repeated. */
function reflect(index: number, length: number): number {
  const period = 2 * (length - 1);
  const wrapped = ((index % period) + period) % period;
  return wrapped < length ? wrapped : period - wrapped;
}

function sparseFilters(mels: MelBins): { first: number; weights: Float32Array }[] {
  const dense = melFilterBank(mels);
  return Array.from({ length: mels }, (_, mel) => {
    const row = dense.subarray(mel * SPECTRUM_BINS, (mel + 1) * SPECTRUM_BINS);
    const first = Math.max(
      0,
      row.findIndex((weight) => weight > 0),
    );
    const last = row.findLastIndex((weight) => weight > 0);
    return { first, weights: row.slice(first, last + 1) };
  });
}

/** Slaney's scale: linear to 1 kHz (15 mel), then 27 mel for a factor of 6.4. */
const LOG_STEP = Math.log(6.4) / 27;

function hzToMel(hz: number): number {
  return hz < 1000 ? (hz * 3) / 200 : 15 + Math.log(hz / 1000) / LOG_STEP;
}

function melToHz(mel: number): number {
  return mel < 15 ? (mel * 200) / 3 : 1000 * Math.exp((mel - 15) * LOG_STEP);
}
