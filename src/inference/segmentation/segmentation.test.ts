import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openWeights } from '../../models/open-weights.ts';
import { scratchFolder } from '../fixtures/scratch-folder.ts';
import { openSession } from '../session.ts';
import { storedModel } from './fixtures/stored-model.ts';
import { WINDOW_FRAMES, WINDOW_SAMPLES, windowCount } from './geometry.ts';
import { writeSegmentationGraph } from './graph.ts';
import type { SegmentationPrecision } from './lstm.ts';
import { SegmentationModel } from './model.ts';

/**
 * Argmax classes, as [class, frames], of samples 80,000 to 240,000 of the two-speaker sample, with the published weights in
 * plain torch 2.15.0: `torch.nn` layers behind asteroid-filterbanks 0.4.0 `ParamSincFB`.
 */
const REFERENCE = [
  [0, 101],
  [3, 26],
  [0, 25],
  [3, 43],
  [2, 91],
  [3, 39],
  [6, 25],
  [2, 201],
  [6, 23],
  [3, 15],
] as const;
const expected = Uint8Array.from(REFERENCE.flatMap(([powerset, frames]) => Array<number>(frames).fill(powerset)));
const FIRST_SAMPLE = 80_000;

const model = await storedModel('segmentation-3.0');
const sample = await storedModel('sample');

function readWindow(folder: string): Float32Array {
  const file = readFileSync(join(folder, 'sample.wav'));
  const bytes = file.subarray(file.indexOf('data') + 8 + 2 * FIRST_SAMPLE);
  return Float32Array.from({ length: WINDOW_SAMPLES }, (_, i) => bytes.readInt16LE(2 * i) / 32_768);
}

const agreement = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((same, value, i) => same + (value === b[i] ? 1 : 0), 0) / a.length;

describe.skipIf(model === undefined || sample === undefined)('segmentation-3.0', () => {
  async function classify(precision: SegmentationPrecision, windows: Float32Array, batch: number): Promise<Uint8Array> {
    using folder = scratchFolder();
    const path = join(folder.path, 'segmentation.onnx');
    const weights = openWeights(model!);
    writeSegmentationGraph(weights, path, precision);
    weights.close();
    const session = await openSession(path, { provider: 'cpu', threads: 1, arena: true });
    try {
      return await new SegmentationModel(session).run(windows, batch);
    } finally {
      await session.release();
    }
  }

  it('gives the classes of the reference', async () => {
    const classes = await classify('float32', readWindow(sample!.dir), 1);
    expect(classes.length).toBe(WINDOW_FRAMES);
    expect(agreement(classes, expected)).toBeGreaterThan(0.998);
  });

  it('differs little with int8 weights', async () => {
    const classes = await classify('int8', readWindow(sample!.dir), 1);
    expect(agreement(classes, expected)).toBeGreaterThan(0.97);
  });

  it('gives a window the same classes in any batch', async () => {
    const window = readWindow(sample!.dir);
    const batch = new Float32Array(3 * WINDOW_SAMPLES);
    batch.set(
      window.map((value) => value * 0.2),
      0,
    );
    batch.set(window, WINDOW_SAMPLES);
    batch.set(window.toReversed(), 2 * WINDOW_SAMPLES);
    const classes = await classify('float32', batch, 3);
    expect(classes.slice(WINDOW_FRAMES, 2 * WINDOW_FRAMES)).toEqual(await classify('float32', window, 1));
  });

  it('refuses windows of another length', async () => {
    await expect(classify('float32', new Float32Array(WINDOW_SAMPLES - 1), 1)).rejects.toThrow(RangeError);
  });
});

it('counts windows so that they cover every recording, and no window starts beyond it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000_000 }), fc.constantFrom(40_000, 80_000, 120_000), (samples, hop) => {
      const last = (windowCount(samples, hop) - 1) * hop;
      expect(last + WINDOW_SAMPLES).toBeGreaterThanOrEqual(samples);
      expect(last).toBeLessThan(samples);
    }),
  );
});
