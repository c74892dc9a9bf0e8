import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logMel, type MelBins, melFilterBank, SPECTRUM_BINS } from './log-mel.ts';
import { testSignal } from './test-signal.ts';

/**
 * Values of `FeatureExtractor(feature_size=mels)(samples)[:, :-1]` of faster-whisper 1.2.1 with numpy 2.4.6, over
 * `testSignal(32000)`: [mel, frame, value].
 */
const REFERENCE: Record<MelBins, { mean: number; deviation: number; cells: [number, number, number][] }> = {
  80: {
    mean: 0.518733,
    deviation: 0.162623,
    cells: [
      [0, 0, 0.505402],
      [0, 1, 0.643461],
      [3, 17, 0.349479],
      [10, 50, 0.800778],
      [25, 99, 0.583161],
      [40, 100, 0.760472],
      [55, 123, 0.343399],
      [79, 5, 0.678691],
      [79, 199, 0.715926],
      [40, 199, 0.547925],
      [7, 150, 0.740032],
    ],
  },
  128: {
    mean: 0.496981,
    deviation: 0.180021,
    cells: [
      [0, 0, 0.429643],
      [0, 1, 0.567702],
      [3, 17, 0.221914],
      [10, 50, 0.586331],
      [25, 99, 0.734523],
      [40, 100, 0.385567],
      [55, 123, 0.330966],
      [127, 5, 0.601742],
      [127, 199, 0.71323],
      [64, 199, 0.55989],
      [7, 150, 0.318957],
    ],
  },
};

describe.each([80, 128] as const)('log-mel with %i bins', (mels) => {
  const reference = REFERENCE[mels];
  const { data, frames } = logMel(testSignal(32_000), mels);

  it('equals faster-whisper within 1e-4', () => {
    expect(frames).toBe(200);
    expect(data.length).toBe(mels * 200);
    for (const [mel, frame, value] of reference.cells) {
      expect(Math.abs(data[mel * frames + frame]! - value), `mel ${mel}, frame ${frame}`).toBeLessThan(1e-4);
    }
    const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
    const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length;
    expect(Math.abs(mean - reference.mean)).toBeLessThan(1e-5);
    expect(Math.abs(Math.sqrt(variance) - reference.deviation)).toBeLessThan(1e-5);
  });

  it('weighs every bin between 0 and 8 kHz', () => {
    const filters = melFilterBank(mels);
    expect(filters.length).toBe(mels * SPECTRUM_BINS);
    for (let mel = 0; mel < mels; mel++) {
      const row = filters.subarray(mel * SPECTRUM_BINS, (mel + 1) * SPECTRUM_BINS);
      expect(row.some((weight) => weight > 0)).toBe(true);
      expect(row.every((weight) => weight >= 0)).toBe(true);
    }
  });
});

it('keeps every value within 2 (8 decades / 4) of the loudest, whatever the length and level', () => {
  fc.assert(
    fc.property(fc.integer({ min: 160, max: 5000 }), fc.integer({ min: 0, max: 32_767 }), (length, level) => {
      const samples = testSignal(length).map((sample) => (sample * level) / 32_768);
      const { data, frames } = logMel(samples, 80);
      expect(frames).toBe(Math.floor(length / 160));
      let low = Number.POSITIVE_INFINITY;
      let high = Number.NEGATIVE_INFINITY;
      for (const value of data) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
      expect(high - low).toBeLessThanOrEqual(2 + 1e-6);
      expect(low).toBeGreaterThanOrEqual(-1.5 - 1e-6);
    }),
    { numRuns: 25 },
  );
});
