import { expOfNegative } from './exponential.ts';
import { addMedians, MEDIAN_RADIUS, mirrorEnds, paddedLength } from './median-filter.ts';

/**
 * Cross-attention of the alignment heads for one chunk, as views into a buffer, so that what a decoder loop has written
 * step by step needs no copying: the weight of head h, row r and frame f is `data[rowOffsets[r] + h * headStride + f]`.
 */
export interface AttentionScores {
  readonly data: Float32Array;
  readonly heads: number;
  /** Elements between the same row of two heads. */
  readonly headStride: number;
  /** Start of each row for head 0, one row for each token the decoder was fed, in order. */
  readonly rowOffsets: Int32Array;
  /** True where the scores are softmaxed over all frames; they are then scaled to sum to 1 over the valid frames. */
  readonly softmaxed: boolean;
}

/** Scores that lie as `[heads, rows, frames]` in one array. */
export function contiguousScores(
  data: Float32Array,
  shape: { readonly heads: number; readonly rows: number; readonly frames: number },
  softmaxed: boolean,
): AttentionScores {
  const { heads, rows, frames } = shape;
  const rowOffsets = Int32Array.from({ length: rows }, (_, row) => row * frames);
  return { data, heads, headStride: rows * frames, rowOffsets, softmaxed };
}

/** One in the fixed-point numbers of the matrix. A normalised weight is under sqrt(rows), so 2^24 leaves room to spare. */
export const MATRIX_ONE = 2 ** 24;

/** One head's weights: not yet scaled to sum to 1 over the valid frames, row `r` from `starts[r]` on. */
interface HeadWeights {
  readonly data: Float32Array;
  readonly starts: Int32Array;
  readonly scales: Float64Array;
}

/**
 * Turns attention scores into how well each token fits each frame. Keeps its memory between calls.
 *
 * Softmax over the valid frames, zero mean and unit deviation over the tokens of each head and frame, median of 7 along
 * frames (mirrored at both ends), mean over heads. Source: openai-whisper 20250625 `find_alignment`, and the same in
 * CTranslate2.
 */
export class AttentionMatrix {
  #exponentials = new Float32Array(0);
  #matrix = new Int32Array(0);
  #factors = new Float64Array(0);
  #offsets = new Float64Array(0);
  #line = new Int32Array(0);
  #starts = new Int32Array(0);
  #scales = new Float64Array(0);

  /**
   * Matrix `[rowCount, frames]` of the rows from `firstRow`, in units of 1 / {@link MATRIX_ONE}; all rows take part in the
   * normalisation. The array belongs to this object and is overwritten by the next call.
   */
  compute(scores: AttentionScores, frames: number, firstRow: number, rowCount: number): Int32Array {
    this.#reserve(scores, frames, rowCount);
    const matrix = this.#matrix.subarray(0, rowCount * frames).fill(0);
    for (let head = 0; head < scores.heads; head++) {
      const weights = this.#weightsOf(scores, head, frames);
      sumOverRows(weights, this.#factors, this.#offsets, frames);
      foldStatistics(this.#factors, this.#offsets, weights.starts.length, frames, MATRIX_ONE / scores.heads);
      for (let row = 0; row < rowCount; row++) {
        this.#addRow(weights, firstRow + row, matrix, row * frames, frames);
      }
    }
    return matrix;
  }

  #reserve(scores: AttentionScores, frames: number, rowCount: number): void {
    const rows = scores.rowOffsets.length;
    if (!scores.softmaxed && this.#exponentials.length < rows * frames) {
      this.#exponentials = new Float32Array(rows * frames);
    }
    if (this.#matrix.length < rowCount * frames) this.#matrix = new Int32Array(rowCount * frames);
    if (this.#factors.length !== frames) {
      this.#factors = new Float64Array(frames);
      this.#offsets = new Float64Array(frames);
      this.#line = new Int32Array(paddedLength(frames));
    }
    if (this.#starts.length !== rows) {
      this.#starts = new Int32Array(rows);
      this.#scales = new Float64Array(rows);
    }
  }

  #weightsOf(scores: AttentionScores, head: number, frames: number): HeadWeights {
    const { data, headStride, rowOffsets, softmaxed } = scores;
    const starts = this.#starts;
    const scales = this.#scales;
    for (let row = 0; row < rowOffsets.length; row++) {
      const from = rowOffsets[row]! + head * headStride;
      starts[row] = softmaxed ? from : row * frames;
      const total = softmaxed ? sumRow(data, from, frames) : exponentiate(data, from, this.#exponentials, row, frames);
      scales[row] = total > 0 ? 1 / total : 0;
    }
    return { data: softmaxed ? data : this.#exponentials, starts, scales };
  }

  #addRow(weights: HeadWeights, row: number, matrix: Int32Array, to: number, frames: number): void {
    const { data } = weights;
    const from = weights.starts[row]!;
    const scale = weights.scales[row]!;
    const factors = this.#factors;
    const offsets = this.#offsets;
    const line = this.#line;
    for (let frame = 0; frame < frames; frame++) {
      line[frame + MEDIAN_RADIUS] = data[from + frame]! * scale * factors[frame]! + offsets[frame]!;
    }
    if (frames > MEDIAN_RADIUS) {
      mirrorEnds(line, frames);
      addMedians(line, matrix, to, frames);
      return;
    }
    // Too short to mirror: the reference leaves such lines unfiltered.
    for (let frame = 0; frame < frames; frame++)
      matrix[to + frame] = matrix[to + frame]! + line[frame + MEDIAN_RADIUS]!;
  }
}

function sumRow(data: Float32Array, from: number, frames: number): number {
  let even = 0;
  let odd = 0;
  let frame = 0;
  for (; frame + 1 < frames; frame += 2) {
    even += data[from + frame]!;
    odd += data[from + frame + 1]!;
  }
  return frame < frames ? even + odd + data[from + frame]! : even + odd;
}

/** Writes `exp(score - peak)` of one row and returns the sum. */
function exponentiate(data: Float32Array, from: number, target: Float32Array, row: number, frames: number): number {
  let peak = Number.NEGATIVE_INFINITY;
  for (let frame = 0; frame < frames; frame++) {
    const score = data[from + frame]!;
    if (score > peak) peak = score;
  }
  const to = row * frames;
  let total = 0;
  for (let frame = 0; frame < frames; frame++) {
    const weight = expOfNegative(data[from + frame]! - peak);
    target[to + frame] = weight;
    total += weight;
  }
  return total;
}

/** Sum and sum of squares over rows for each frame; two rows at a time halve the traffic of the sums. */
function sumOverRows(weights: HeadWeights, sums: Float64Array, squares: Float64Array, frames: number): void {
  const { data, starts, scales } = weights;
  sums.fill(0);
  squares.fill(0);
  for (let row = 0; row < starts.length; row += 2) {
    const paired = row + 1 < starts.length;
    const first = starts[row]!;
    const second = paired ? starts[row + 1]! : first;
    const firstScale = scales[row]!;
    const secondScale = paired ? scales[row + 1]! : 0;
    for (let frame = 0; frame < frames; frame++) {
      const a = data[first + frame]! * firstScale;
      const b = data[second + frame]! * secondScale;
      sums[frame] = sums[frame]! + a + b;
      squares[frame] = squares[frame]! + a * a + b * b;
    }
  }
}

/** Turns sums into the factor and squares into the offset that normalise a weight and multiply it by `unit`. */
function foldStatistics(sums: Float64Array, squares: Float64Array, rows: number, frames: number, unit: number): void {
  for (let frame = 0; frame < frames; frame++) {
    const mean = sums[frame]! / rows;
    const variance = squares[frame]! / rows - mean * mean;
    // A frame that every token attends to alike says nothing; the reference divides by zero there.
    const factor = variance > 0 ? unit / Math.sqrt(variance) : 0;
    sums[frame] = factor;
    squares[frame] = -mean * factor;
  }
}
