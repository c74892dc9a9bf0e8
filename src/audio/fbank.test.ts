import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  FBANK_BINS,
  FBANK_FLOOR,
  FBANK_FRAME_SAMPLES,
  FBANK_HOP_SAMPLES,
  fbank,
  fbankFilterBank,
  fbankFrames,
  fbankSamples,
  fbankTransform,
} from './fbank.ts';
import { testSignal } from './test-signal.ts';

/**
 * Values of `torchaudio.compliance.kaldi.fbank(waveform, num_mel_bins=80, sample_frequency=16000, dither=0)`, torchaudio
 * 2.11.0 with torch 2.15.0, over `testSignal(32000)`: [frame, bin, value]. kaldi-native-fbank 1.22.5 gives the same within
 * 3.1e-4, which is what float32 leaves of the weakest bins.
 */
const REFERENCE: { mean: number; deviation: number; cells: [number, number, number][] } = {
  mean: -1.064595,
  deviation: 3.585279,
  cells: [
    [0, 0, -6.384419],
    [0, 79, 3.919841],
    [17, 3, -7.670282],
    [50, 10, -3.301469],
    [99, 25, -1.240964],
    [100, 40, 0.495606],
    [123, 55, -0.824464],
    [5, 78, 3.887346],
    [197, 79, 4.607414],
    [197, 0, -6.816195],
    [150, 7, -4.997678],
  ],
};

const samples = testSignal(32_000);
const features = fbank(samples);

it('equals torchaudio within 1e-4', () => {
  expect(features.length).toBe(198 * FBANK_BINS);
  for (const [frame, bin, value] of REFERENCE.cells) {
    expect(Math.abs(features[frame * FBANK_BINS + bin]! - value), `frame ${frame}, bin ${bin}`).toBeLessThan(1e-4);
  }
  const mean = features.reduce((sum, value) => sum + value, 0) / features.length;
  const variance = features.reduce((sum, value) => sum + (value - mean) ** 2, 0) / features.length;
  expect(Math.abs(mean - REFERENCE.mean)).toBeLessThan(1e-5);
  expect(Math.abs(Math.sqrt(variance) - REFERENCE.deviation)).toBeLessThan(1e-5);
});

it('gives a range of frames the values they have in the whole', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 197 }), fc.integer({ min: 1, max: 50 }), (first, wanted) => {
      const count = Math.min(wanted, 198 - first);
      const start = first * FBANK_HOP_SAMPLES;
      const part = fbank(samples.subarray(start, start + fbankSamples(count)));
      expect(fbankFrames(fbankSamples(count))).toBe(count);
      expect(part).toEqual(features.subarray(first * FBANK_BINS, (first + count) * FBANK_BINS));
    }),
  );
});

it('stands at the floor where there is digital silence', () => {
  const silence = fbank(new Float32Array(FBANK_FRAME_SAMPLES));
  for (const value of silence) expect(value).toBeCloseTo(Math.log(FBANK_FLOOR), 5);
});

it('is the same computed with the matrices a graph uses', () => {
  const transform = fbankTransform();
  const filters = fbankFilterBank();
  const bins = transform.length / FBANK_FRAME_SAMPLES / 2;
  for (const frame of [0, 71, 197]) {
    const start = frame * FBANK_HOP_SAMPLES;
    const project = (row: number) => {
      let sum = 0;
      for (let i = 0; i < FBANK_FRAME_SAMPLES; i++)
        sum += transform[row * FBANK_FRAME_SAMPLES + i]! * samples[start + i]!;
      return sum;
    };
    const power = Array.from({ length: bins }, (_, k) => project(k) ** 2 + project(bins + k) ** 2);
    for (let bin = 0; bin < FBANK_BINS; bin++) {
      const energy = power.reduce((sum, value, k) => sum + value * filters[bin * bins + k]!, 0);
      const expected = features[frame * FBANK_BINS + bin]!;
      expect(Math.abs(Math.log(Math.max(energy, FBANK_FLOOR)) - expected)).toBeLessThan(1e-3);
    }
  }
});
