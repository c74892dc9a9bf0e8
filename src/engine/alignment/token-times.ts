import type { Seconds } from '../../core/units.ts';
import { AttentionMatrix, type AttentionScores } from './attention-matrix.ts';
import { TimeWarping } from './dtw.ts';

/** Encoder frames a second: Whisper's 100 mel frames a second, halved by the second convolution. */
export const FRAMES_PER_SECOND = 50;

/**
 * Encoder frames that a chunk's text is aligned to: whole seconds, as faster-whisper 1.2.1 does in batches; the slack lets
 * the last word end before the frames do.
 */
export function alignmentFrames(duration: Seconds, totalFrames: number): number {
  return Math.max(1, Math.min(totalFrames, Math.ceil(duration) * FRAMES_PER_SECOND));
}

export interface ChunkAttention {
  readonly scores: AttentionScores;
  /** Valid encoder frames, see {@link alignmentFrames}. */
  readonly frames: number;
  /**
   * Row that predicts the first text token: that of the last token before the text (`<|notimestamps|>`). Rows before it
   * and behind the text take part in the normalisation only.
   */
  readonly firstRow: number;
}

/** Finds when each token of a chunk is spoken. Keeps some megabytes of memory for the next chunk: one a worker. */
export class TokenTiming {
  readonly #matrix = new AttentionMatrix();
  readonly #warping = new TimeWarping();

  /**
   * Boundaries of the text tokens in seconds from the chunk's start, ascending, `[textTokens + 1]`: token i is spoken from
   * `[i]` to `[i + 1]`. The row fed with the last text token tells its end; where decoding stopped before that row, the
   * token ends with the frames. Throws RangeError where other rows are missing.
   */
  boundaries(attention: ChunkAttention, textTokens: number): Float64Array {
    const { scores, frames, firstRow } = attention;
    const rows = Math.min(textTokens + 1, scores.rowOffsets.length - firstRow);
    if (rows < Math.max(1, textTokens)) {
      throw new RangeError(`${textTokens} text tokens need ${textTokens} rows of attention, got ${rows}`);
    }
    const matrix = this.#matrix.compute(scores, frames, firstRow, rows);
    const jumps = this.#warping.jumps(matrix, rows, frames);
    return Float64Array.from(
      { length: textTokens + 1 },
      (_, token) => (token < rows ? jumps[token]! : frames) / FRAMES_PER_SECOND,
    );
  }
}
