import type { Word } from '../../transcript/types.ts';
import { type ChunkAttention, TokenTiming } from './token-times.ts';
import { buildWords, type ChunkWords } from './words.ts';

/** Word times of one chunk after another. Keeps its memory between chunks: one a worker. */
export class WordAligner {
  readonly #timing = new TokenTiming();

  /**
   * The words of a chunk with times in seconds of the chunk. Throws RangeError where attention does not have a row for
   * every text token.
   */
  align(chunk: Omit<ChunkWords, 'boundaries'>, attention: ChunkAttention): Word[] {
    const textTokens = chunk.groups.reduce((count, { tokens }) => count + tokens.length, 0);
    if (textTokens === 0) return [];
    return buildWords({ ...chunk, boundaries: this.#timing.boundaries(attention, textTokens) });
  }
}
