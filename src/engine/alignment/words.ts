import type { Seconds } from '../../core/units.ts';
import type { Word } from '../../transcript/types.ts';
import { clipAtEdges, clipAtSentenceEnds, measureDurations } from './durations.ts';
import { mergePunctuation } from './punctuation.ts';
import { type TimedWord, type TokenGroup, timeGroups } from './timed-word.ts';

export interface ChunkWords {
  /** The text as words and marks, in order, see {@link TokenGroup}. */
  readonly groups: readonly TokenGroup[];
  /** Boundaries of the tokens in seconds of the chunk, `[tokens + 1]`. */
  readonly boundaries: ArrayLike<number>;
  /** Probability of each token, 0 to 1, `[tokens]`. */
  readonly probabilities: ArrayLike<number>;
  /** Audio in the chunk; no word reaches beyond it. */
  readonly duration: Seconds;
  /** Silence between the speech before the chunk and its start; 0 where unknown. */
  readonly pauseBefore?: Seconds;
  /** False for languages written without spaces. */
  readonly spaced: boolean;
}

/**
 * Words of one chunk with times in seconds of the chunk: trimmed, punctuation joined, pauses cut off, ascending, without
 * overlap, inside the chunk.
 */
export function buildWords(chunk: ChunkWords): Word[] {
  const timed = timeGroups(chunk.groups, chunk.boundaries, chunk.probabilities);
  const durations = measureDurations(timed);
  clipAtSentenceEnds(timed, durations);
  const words = mergePunctuation(timed).filter(({ text }) => text.trim() !== '');
  clipAtEdges(words, durations, chunk.duration, chunk.pauseBefore ?? 0);
  fitInto(words, chunk.duration);
  return words.map((word, index) => toWord(word, index === 0, chunk.spaced));
}

/** A stretch of the recording inside a chunk that was put together from several. */
export interface ChunkPiece {
  /** Where the stretch begins in the chunk. */
  readonly chunkStart: Seconds;
  /** Where it begins in the recording. */
  readonly start: Seconds;
  readonly duration: Seconds;
}

/**
 * Moves words from the chunk's time to the recording's. A word belongs to the piece that holds its middle and stays inside
 * it, so that no word reaches over audio that was left out. Pieces ascend in both times; without any, nothing is moved.
 */
export function placeWords(words: readonly Word[], pieces: readonly ChunkPiece[]): Word[] {
  let index = 0;
  return words.map((word) => {
    const middle = (word.start + word.end) / 2;
    while (index + 1 < pieces.length && pieces[index + 1]!.chunkStart <= middle) index++;
    const piece = pieces[index];
    if (!piece) return word;
    const place = (time: Seconds): Seconds => {
      const inside = Math.min(Math.max(time - piece.chunkStart, 0), piece.duration);
      return toMilliseconds(piece.start + inside, piece.start + piece.duration);
    };
    return { ...word, start: place(word.start), end: place(word.end) };
  });
}

function fitInto(words: TimedWord[], duration: Seconds): void {
  let earliest = 0;
  for (const word of words) {
    word.start = toMilliseconds(Math.max(word.start, earliest), duration);
    word.end = toMilliseconds(Math.max(word.end, word.start), duration);
    earliest = word.end;
  }
}

/** Rounds to a millisecond without passing `limit`. */
function toMilliseconds(time: Seconds, limit: Seconds): Seconds {
  return Math.min(Math.round(time * 1000) / 1000, limit);
}

function toWord(word: TimedWord, isFirst: boolean, spaced: boolean): Word {
  const text = word.text.trim();
  // The chunk's first word follows another chunk: there the script decides, not whether a space token was written.
  const spaceBefore = isFirst ? spaced || /^[\p{Script=Latin}\p{N}]/u.test(text) : word.text.startsWith(' ');
  return {
    text,
    start: word.start,
    end: word.end,
    probability: Math.min(1, Math.max(0, word.probability)),
    ...(!spaceBefore && { spaceBefore }),
  };
}
