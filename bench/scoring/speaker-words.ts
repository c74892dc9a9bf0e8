import { assign } from './assignment.ts';
import { wordErrors } from './edit-counts.ts';

export interface WordErrorCount {
  readonly errors: number;
  /** Words of the reference. */
  readonly words: number;
}

/**
 * Concatenated minimum-permutation word errors (cpWER): all words of each speaker are joined, and speakers are matched
 * one-to-one so that fewest errors remain; words of unmatched speakers are all errors. Source: Watanabe et al.,
 * CHiME-6 Challenge, 2020.
 *
 * @param reference normalised words by speaker, in order of time.
 */
export function speakerWordErrors(
  reference: ReadonlyMap<string, readonly string[]>,
  hypothesis: ReadonlyMap<string, readonly string[]>,
): WordErrorCount {
  const size = Math.max(reference.size, hypothesis.size);
  const padded = (words: ReadonlyMap<string, readonly string[]>): (readonly string[])[] => [
    ...words.values(),
    ...Array.from({ length: size - words.size }, () => []),
  ];
  const [spoken, heard] = [padded(reference), padded(hypothesis)];
  const cost = spoken.map((words) => heard.map((own) => wordErrors(words, own)));
  const errors = assign(cost).reduce((sum, column, row) => sum + (column >= 0 ? cost[row]![column]! : 0), 0);
  return { errors, words: spoken.reduce((sum, words) => sum + words.length, 0) };
}
