import type { Seconds } from '../../core/units.ts';
import type { TimedWord } from './timed-word.ts';

/** How long the words of a chunk are, which tells what is too long. */
export interface WordDurations {
  /** Median of the durations above 0, at most {@link MEDIAN_LIMIT}; 0 without words. */
  readonly median: Seconds;
  /** Twice the median: longer words hold a pause. */
  readonly longest: Seconds;
}

const MEDIAN_LIMIT: Seconds = 0.7;
const SENTENCE_END_MARKS = '.。!！?？';
/** A word may overlap the chunk's edge by this much before the edge counts more. */
const EDGE_TOLERANCE: Seconds = 0.5;

export function measureDurations(words: readonly TimedWord[]): WordDurations {
  const durations = words.map(({ start, end }) => end - start).filter((duration) => duration !== 0);
  durations.sort((a, b) => a - b);
  const middle = durations.length >> 1;
  const upper = durations[middle] ?? 0;
  const median = Math.min(
    MEDIAN_LIMIT,
    durations.length % 2 === 1 ? upper : ((durations[middle - 1] ?? 0) + upper) / 2,
  );
  return { median, longest: median * 2 };
}

/**
 * Attention drifts over pauses: cuts the pause off a sentence's last mark and off the next sentence's first word.
 * To be done before punctuation is joined. Source: faster-whisper 1.2.1 `add_word_timestamps`.
 */
export function clipAtSentenceEnds(words: TimedWord[], { median, longest }: WordDurations): void {
  if (median === 0) return;
  for (let index = 1; index < words.length; index++) {
    const word = words[index]!;
    if (word.end - word.start <= longest) continue;
    if (SENTENCE_END_MARKS.includes(word.text)) {
      word.end = word.start + longest;
    } else if (SENTENCE_END_MARKS.includes(words[index - 1]!.text)) {
      word.start = word.end - longest;
    }
  }
}

/**
 * Shortens a first word (or two) that reaches back over the pause before it, and a last word that reaches past the
 * chunk's end. Times are in seconds of the chunk; `pauseBefore` is the silence between the speech before and the chunk.
 * Source: faster-whisper 1.2.1 `add_word_timestamps`.
 */
export function clipAtEdges(
  words: TimedWord[],
  { median, longest }: WordDurations,
  duration: Seconds,
  pauseBefore: Seconds,
): void {
  const first = words[0];
  const second = words[1];
  const last = words.at(-1);
  if (!first || !last) return;
  const isLong = first.end - first.start > longest || (second && second.end - first.start > longest * 2);
  if (first.end + pauseBefore > median * 4 && isLong) {
    if (second && second.end - second.start > longest) {
      const boundary = Math.max(second.end / 2, second.end - longest);
      first.end = boundary;
      second.start = boundary;
    }
    first.start = Math.max(0, first.end - longest);
  }
  if (duration > last.start && duration + EDGE_TOLERANCE < last.end) {
    last.end = Math.max(last.start + median, duration);
  }
}
