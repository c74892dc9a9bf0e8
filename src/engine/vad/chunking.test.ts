import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Chunk, type ChunkingOptions, ChunkPacker, chunkSamples } from './chunking.ts';
import { quietestOffset } from './quietest.ts';
import type { SpeechRegion } from './speech-regions.ts';

const MAX = 480_000;
const seconds = (start: number, end: number): SpeechRegion => ({
  startSample: start * 16_000,
  endSample: end * 16_000,
});
/** All chunks of a recording. */
function packChunks(regions: readonly SpeechRegion[], totalSamples: number, options: ChunkingOptions = {}): Chunk[] {
  const packer = new ChunkPacker(options);
  return [...regions.flatMap((region) => packer.push(region)), ...packer.flush(totalSamples)];
}
const lengths = (chunks: readonly Chunk[]) => chunks.map(({ samples }) => samples / 16_000);

/** Regions as (pause before, length) in samples, some longer than a chunk, some touching almost. */
const recordings = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 1, max: 60_000 }),
        fc.integer({ min: 1, max: 2_000_000 }),
      ),
      fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 1_500_000 })),
    ),
    { maxLength: 40 },
  )
  .chain((parts) => {
    const regions: SpeechRegion[] = [];
    let at = -1;
    for (const [pause, length] of parts) {
      regions.push({ startSample: at + pause, endSample: at + pause + length });
      at += pause + length;
    }
    return fc.record({
      regions: fc.constant(regions),
      total: fc.integer({ min: 0, max: 10_000 }).map((rest) => Math.max(at, 0) + rest),
    });
  });

describe('packing, whatever the recording', () => {
  it('loses no sample of speech, doubles none, keeps the order and the limit', () => {
    fc.assert(
      fc.property(recordings, fc.boolean(), ({ regions, total }, middle) => {
        const quietest = (start: number, end: number) => (middle ? (start + end) / 2 : end + 99);
        const chunks = packChunks(regions, total, { quietest });
        let end = 0;
        for (const chunk of chunks) {
          expect(chunk.samples).toBeLessThanOrEqual(MAX);
          expect(chunk.samples).toBe(chunk.pieces.reduce((sum, p) => sum + p.endSample - p.startSample, 0));
          for (const piece of chunk.pieces) {
            expect(piece.startSample).toBeGreaterThanOrEqual(end);
            expect(piece.endSample).toBeGreaterThan(piece.startSample);
            expect(Number.isInteger(piece.startSample) && Number.isInteger(piece.endSample)).toBe(true);
            end = piece.endSample;
          }
        }
        expect(end).toBeLessThanOrEqual(total);
        const pieces = chunks.flatMap((chunk) => chunk.pieces);
        for (const region of regions) {
          const covered = pieces.reduce(
            (sum, p) =>
              sum + Math.max(0, Math.min(p.endSample, region.endSample) - Math.max(p.startSample, region.startSample)),
            0,
          );
          expect(covered).toBe(region.endSample - region.startSample);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives a chunk as early as the limit forces it, and nothing twice', () => {
    fc.assert(
      fc.property(recordings, ({ regions, total }) => {
        const packer = new ChunkPacker();
        for (const region of regions) {
          const chunks = packer.push(region);
          // What is still open fits into one chunk.
          const end = chunks.at(-1)?.pieces.at(-1)?.endSample ?? 0;
          expect(region.endSample - Math.max(end, region.startSample)).toBeLessThanOrEqual(MAX);
        }
        expect(packer.flush(total)).toHaveLength(regions.length === 0 ? 0 : 1);
        expect(packer.flush(total)).toEqual([]);
      }),
    );
  });
});

describe('where chunks end', () => {
  it('prefers the long pause near the end over the last short one', () => {
    const regions = [seconds(0, 14), seconds(14.2, 26.5), seconds(27.3, 28.5), seconds(28.65, 36)];
    const [first] = packChunks(regions, 36 * 16_000);
    expect(first!.pieces.at(-1)!.endSample / 16_000).toBeCloseTo(26.7, 3);
  });

  it('fills chunks to 27 s and more where people pause as they do', () => {
    // Utterances of 2 to 7 s, pauses of 0.15 to 1.2 s, without chance.
    const regions: SpeechRegion[] = [];
    let at = 0;
    for (let i = 0; i < 400; i++) {
      const length = 2 + ((i * 7919) % 500) / 100;
      regions.push({ startSample: Math.round(at * 16_000), endSample: Math.round((at + length) * 16_000) });
      at += length + 0.15 + ((i * 104_729) % 105) / 100;
    }
    const filled = lengths(packChunks(regions, Math.ceil(at * 16_000))).slice(0, -1);
    expect(filled.reduce((sum, length) => sum + length, 0) / filled.length).toBeGreaterThan(27);
  });

  it('never cuts inside a region that has room in the next chunk', () => {
    const regions = Array.from({ length: 50 }, (_, i) => seconds(i * 11, i * 11 + 10));
    const edges = new Set(regions.flatMap(({ startSample, endSample }) => [startSample, endSample]));
    for (const chunk of packChunks(regions, 550 * 16_000)) {
      expect(edges.has(chunk.pieces[0]!.startSample + 3200) || chunk.pieces[0]!.startSample === 0).toBe(true);
      expect(edges.has(chunk.pieces.at(-1)!.endSample - 3200)).toBe(true);
    }
  });

  it('cuts speech without a pause where it is quietest', () => {
    const recording = new Float32Array(50 * 16_000).map((_, i) => Math.sin(i * 0.3));
    recording.fill(0.001, 27.4 * 16_000, 27.6 * 16_000);
    const quietest = (start: number, end: number) => start + quietestOffset(recording.subarray(start, end));
    const [first, second] = packChunks([seconds(0, 50)], 50 * 16_000, { quietest });
    expect(first!.samples / 16_000).toBeGreaterThan(27.4);
    expect(first!.samples / 16_000).toBeLessThan(27.6);
    expect(second!.pieces[0]!.startSample).toBe(first!.pieces[0]!.endSample);
  });

  it('keeps short pauses whole and the padding of long ones', () => {
    const [chunk] = packChunks([seconds(1, 2), seconds(2.3, 3), seconds(10, 11)], 20 * 16_000);
    expect(chunk!.pieces.map((p) => [p.startSample / 16_000, p.endSample / 16_000])).toEqual([
      [0.8, 3.2],
      [9.8, 11.2],
    ]);
  });

  it('leaves a region alone that fills a chunk by itself', () => {
    expect(lengths(packChunks([seconds(5, 34.9), seconds(40, 41)], 50 * 16_000))).toHaveLength(2);
  });
});

it('puts the samples of the pieces one behind the other', () => {
  const chunk: Chunk = {
    pieces: [
      { startSample: 2, endSample: 4 },
      { startSample: 7, endSample: 8 },
    ],
    samples: 3,
  };
  const read = (start: number, count: number, target: Float32Array) => {
    for (let i = 0; i < count; i++) target[i] = start + i;
  };
  expect([...chunkSamples(chunk, read)]).toEqual([2, 3, 7]);
});
