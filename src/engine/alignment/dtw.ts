const DIAGONAL = 0;
const NEXT_ROW = 1;
const NEXT_FRAME = 2;

/**
 * Dynamic time warping: the path through a matrix, from the first cell to the last, by rows and frames that never go back,
 * with the largest sum. Keeps its memory between calls. Ties are broken, and costs rounded to float32, as in
 * openai-whisper 20250625 `dtw_cpu` and CTranslate2.
 */
export class TimeWarping {
  #trace = new Uint8Array(0);
  #costs = new Float32Array(0);

  /**
   * First frame of the path on each row of `matrix` (`[rows, frames]`, larger is better, any unit), ascending; the first
   * is 0.
   */
  jumps(matrix: Int32Array, rows: number, frames: number): Int32Array {
    if (this.#trace.length < rows * frames) this.#trace = new Uint8Array(rows * frames);
    if (this.#costs.length < frames + 1) this.#costs = new Float32Array(frames + 1);
    this.#fill(matrix, rows, frames);
    return this.#walkBack(rows, frames);
  }

  #fill(matrix: Int32Array, rows: number, frames: number): void {
    const trace = this.#trace;
    // One line of costs is enough: before a cell is overwritten it holds the cost of the row above.
    const costs = this.#costs.fill(Number.POSITIVE_INFINITY);
    for (let row = 0; row < rows; row++) {
      let diagonal = row === 0 ? 0 : Number.POSITIVE_INFINITY;
      let left = Number.POSITIVE_INFINITY;
      const from = row * frames;
      for (let frame = 0; frame < frames; frame++) {
        const above = costs[frame + 1]!;
        let cost = left;
        let step = NEXT_FRAME;
        if (diagonal < above && diagonal < left) {
          cost = diagonal;
          step = DIAGONAL;
        } else if (above < diagonal && above < left) {
          cost = above;
          step = NEXT_ROW;
        }
        diagonal = above;
        left = Math.fround(cost - matrix[from + frame]!);
        costs[frame + 1] = left;
        trace[from + frame] = step;
      }
    }
  }

  #walkBack(rows: number, frames: number): Int32Array {
    const trace = this.#trace;
    const jumps = new Int32Array(rows);
    let row = rows - 1;
    let frame = frames - 1;
    while (row > 0) {
      const step = frame === 0 ? NEXT_ROW : trace[row * frames + frame]!;
      if (step === NEXT_FRAME) {
        frame--;
        continue;
      }
      jumps[row] = frame;
      row--;
      if (step === DIAGONAL) frame--;
    }
    return jumps;
  }
}
