import type { Seconds } from '../../core/units.ts';
import { endsClause, endsSentence } from '../../transcript/sentences.ts';
import type { Word } from '../../transcript/types.ts';

export interface SegmentLimits {
  /** A longer silence ends a segment. */
  readonly maxPause: Seconds;
  /** A segment that reaches this is ended at its last clause, or its longest pause. */
  readonly maxLength: Seconds;
  /** A sentence shorter than this goes on with the next one. */
  readonly minLength: Seconds;
}

export const DEFAULT_SEGMENT_LIMITS: SegmentLimits = { maxPause: 1.5, maxLength: 15, minLength: 1 };

export interface SegmentWord extends Word {
  /** Which hypothesis the word comes from: a segment holds one. */
  readonly chunk: number;
}

/**
 * Where segments end: the exclusive end of each, the last being `words.length`. They end where the speaker or the
 * chunk changes, at long pauses, at sentence ends and at the maximum length.
 */
export function segmentEnds(words: readonly SegmentWord[], limits: SegmentLimits): number[] {
  const ends: number[] = [];
  let from = 0;
  for (let index = 0; index < words.length; index++) {
    while (index > from && words[index]!.end - words[from]!.start > limits.maxLength) {
      from = bestCut(words, from, index);
      ends.push(from);
    }
    if (mustEndAfter(words, index, from, limits)) {
      from = index + 1;
      ends.push(from);
    }
  }
  return ends;
}

function mustEndAfter(words: readonly SegmentWord[], index: number, from: number, limits: SegmentLimits): boolean {
  const word = words[index]!;
  const next = words[index + 1];
  if (next === undefined || next.chunk !== word.chunk || next.speaker !== word.speaker) return true;
  if (next.start - word.end > limits.maxPause) return true;
  return endsSentence(word.text, next.text) && word.end - words[from]!.start >= limits.minLength;
}

/** Exclusive end, after `from` and at most `index`: the last clause end in the second half, else the longest pause. */
function bestCut(words: readonly Word[], from: number, index: number): number {
  const middle = words[from]!.start + (words[index - 1]!.end - words[from]!.start) / 2;
  for (let end = index; end > from; end--) {
    const last = words[end - 1]!;
    if (last.end < middle) break;
    if (endsClause(last.text) || endsSentence(last.text, words[end]?.text)) return end;
  }
  let cut = index;
  let longest = -1;
  for (let end = from + 1; end <= index; end++) {
    const pause = words[end]!.start - words[end - 1]!.end;
    if (pause >= longest && words[end - 1]!.end >= middle) {
      longest = pause;
      cut = end;
    }
  }
  return cut;
}
