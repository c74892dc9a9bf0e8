import { describe, expect, it } from 'vitest';
import { WordAligner } from './aligner.ts';
import { AttentionMatrix, type AttentionScores, contiguousScores, MATRIX_ONE } from './attention-matrix.ts';
import { alignmentFrames, TokenTiming } from './token-times.ts';

/**
 * Raw scores with a ridge along the diagonal and noise from a linear congruential generator, so that any language can
 * make the same numbers.
 */
function syntheticScores(heads: number, rows: number, frames: number, valid: number): Float32Array {
  let state = 1;
  const noise = (): number => {
    state = Number((BigInt(state) * 1103515245n + 12345n) % 2147483648n);
    return (state >>> 8) / 2 ** 23;
  };
  const data = new Float32Array(heads * rows * frames);
  for (let index = 0; index < data.length; index++) {
    const frame = index % frames;
    const row = Math.floor(index / frames) % rows;
    const head = Math.floor(index / frames / rows);
    const distance = (frame - (row * (valid - 1)) / (rows - 1)) / 16;
    data[index] = Math.abs(distance) < 4 ? (-distance * distance) / (1 + head) + 4 * noise() : -16 + 4 * noise();
  }
  return data;
}

function softmaxRows(data: Float32Array, frames: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let start = 0; start < data.length; start += frames) {
    let sum = 0;
    for (let frame = 0; frame < frames; frame++) sum += Math.exp(data[start + frame]!);
    for (let frame = 0; frame < frames; frame++) result[start + frame] = Math.exp(data[start + frame]!) / sum;
  }
  return result;
}

/**
 * Computed with `median_filter` and `dtw_cpu` of openai-whisper 20250625 (numpy 2.4.6, torch 2.15.0) on the synthetic
 * scores; the first 3 rows stand for the prompt, the last for the end of text.
 */
const REFERENCES = [
  {
    shape: { heads: 2, rows: 9, frames: 40, valid: 40 },
    cells: [-0.31614232063293457, -0.45238062739372253, 1.4793771505355835, -0.14361675083637238],
    jumps: [0, 20, 21, 32, 34],
  },
  {
    shape: { heads: 3, rows: 12, frames: 8, valid: 8 },
    cells: [-0.505752682685852, -0.11521705240011215, -0.19710884988307953, -0.35624727606773376],
    jumps: [0, 0, 0, 1, 3, 4, 6, 7],
  },
  {
    shape: { heads: 6, rows: 60, frames: 1500, valid: 1100 },
    cells: [-0.05970897153019905, -0.18020792305469513, 3.331848382949829, 1.644874930381775],
    jumps: [
      0, 67, 81, 104, 120, 135, 155, 174, 195, 215, 229, 251, 271, 290, 316, 333, 352, 363, 385, 406, 421, 443, 452,
      476, 494, 510, 529, 558, 569, 587, 611, 630, 646, 662, 678, 699, 714, 737, 752, 774, 792, 802, 829, 841, 869, 882,
      904, 923, 945, 957, 977, 1000, 1019, 1034, 1058, 1067,
    ],
  },
];

describe.each(REFERENCES)('attention of $shape.heads heads, $shape.rows rows, $shape.valid frames', (reference) => {
  const { heads, rows, frames, valid } = reference.shape;
  const data = syntheticScores(heads, rows, frames, valid);
  const textTokens = rows - 5;
  const raw = contiguousScores(data, { heads, rows, frames }, false);
  const softmaxed = contiguousScores(softmaxRows(data, frames), { heads, rows, frames }, true);

  it.each([
    ['raw', raw],
    ['softmaxed', softmaxed],
  ])('gives the matrix and the times of the reference, %s', (_name, scores: AttentionScores) => {
    const matrix = new AttentionMatrix().compute(scores, valid, 3, rows - 4);
    const cell = (row: number, frame: number): number => matrix[row * valid + frame]! / MATRIX_ONE;
    const cells = [cell(0, 0), cell(1, 3), cell(rows - 5, valid - 1), cell((rows - 4) >> 1, valid >> 1)];
    cells.forEach((value, index) => {
      expect(value).toBeCloseTo(reference.cells[index]!, 5);
    });
    const boundaries = new TokenTiming().boundaries({ scores, frames: valid, firstRow: 3 }, textTokens);
    expect([...boundaries].map((time) => Math.round(time * 50))).toEqual(reference.jumps);
  });

  it('reads scores wherever they lie, and remembers nothing of the chunk before', () => {
    // Step by step as a decoder writes them: [rows, batch of 2, heads, frames], padded by 12 frames.
    const stride = frames + 12;
    const steps = new Float32Array(rows * 2 * heads * stride).fill(9);
    for (let row = 0; row < rows; row++) {
      for (let head = 0; head < heads; head++) {
        const from = (head * rows + row) * frames;
        steps.set(data.subarray(from, from + frames), ((row * 2 + 1) * heads + head) * stride);
      }
    }
    const rowOffsets = Int32Array.from({ length: rows }, (_, row) => (row * 2 + 1) * heads * stride);
    const scores = { data: steps, heads, headStride: stride, rowOffsets, softmaxed: false };
    const timing = new TokenTiming();
    const other = contiguousScores(syntheticScores(2, 70, 90, 90), { heads: 2, rows: 70, frames: 90 }, false);
    timing.boundaries({ scores: other, frames: 90, firstRow: 2 }, 60);
    const boundaries = timing.boundaries({ scores, frames: valid, firstRow: 3 }, textTokens);
    expect([...boundaries].map((time) => Math.round(time * 50))).toEqual(reference.jumps);
  });
});

describe('TokenTiming', () => {
  const shape = { heads: 2, rows: 9, frames: 40 };
  const scores = contiguousScores(syntheticScores(2, 9, 40, 40), shape, false);

  it('ends the last token with the frames where its row is missing', () => {
    const boundaries = new TokenTiming().boundaries({ scores, frames: 40, firstRow: 3 }, 6);
    expect(boundaries).toHaveLength(7);
    expect(boundaries[6]).toBe(0.8);
  });

  it('refuses attention with fewer rows than tokens', () => {
    expect(() => new TokenTiming().boundaries({ scores, frames: 40, firstRow: 3 }, 7)).toThrow(RangeError);
  });

  it('survives scores that say nothing', () => {
    const flat = contiguousScores(new Float32Array(2 * 9 * 40).fill(0.5), shape, false);
    const boundaries = new TokenTiming().boundaries({ scores: flat, frames: 40, firstRow: 3 }, 5);
    expect([...boundaries].every((time) => time >= 0 && time <= 0.8)).toBe(true);
    const broken = contiguousScores(new Float32Array(2 * 9 * 40).fill(Number.NaN), shape, true);
    expect(
      [...new TokenTiming().boundaries({ scores: broken, frames: 3, firstRow: 3 }, 5)].every(Number.isFinite),
    ).toBe(true);
  });
});

describe('WordAligner', () => {
  it('gives words of a chunk their times and probabilities', () => {
    const { shape, jumps } = REFERENCES[0]!;
    const scores = contiguousScores(syntheticScores(2, 9, 40, 40), shape, false);
    const groups = [
      { text: ' one', tokens: [1] },
      { text: ' two', tokens: [2, 3] },
      { text: '.', tokens: [4] },
    ];
    const chunk = { groups, probabilities: [0.9, 0.5, 0.7, 0.1], duration: 0.8, spaced: true };
    const words = new WordAligner().align(chunk, { scores, frames: alignmentFrames(0.8, 40), firstRow: 3 });
    expect(words.map(({ text }) => text)).toEqual(['one', 'two.']);
    expect(words[1]).toMatchObject({ start: jumps[1]! / 50, end: jumps[3]! / 50 });
    expect(words[1]!.probability).toBeCloseTo(0.6);
    expect(new WordAligner().align({ ...chunk, groups: [] }, { scores, frames: 40, firstRow: 3 })).toEqual([]);
  });
});

describe('alignmentFrames', () => {
  it('takes whole seconds, at most what the encoder gave', () => {
    expect(alignmentFrames(9.2, 1500)).toBe(500);
    expect(alignmentFrames(30, 1500)).toBe(1500);
    expect(alignmentFrames(31, 1500)).toBe(1500);
    expect(alignmentFrames(0, 1500)).toBe(1);
  });
});
