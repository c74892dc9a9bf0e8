import type { Seconds } from '../../core/units.ts';

/** A word and the tokens that spell it, as a tokenizer splits them: leading space included, punctuation alone. */
export interface TokenGroup {
  readonly text: string;
  readonly tokens: readonly number[];
}

/** A word on its way to its final time; the steps of this folder change it in place. */
export interface TimedWord {
  text: string;
  start: Seconds;
  end: Seconds;
  /** Mean probability of the word's own tokens; punctuation that is joined to it does not count, as in the reference. */
  readonly probability: number;
}

/** Gives each group the time from its first token's start to its last token's end. */
export function timeGroups(
  groups: readonly TokenGroup[],
  boundaries: ArrayLike<number>,
  probabilities: ArrayLike<number>,
): TimedWord[] {
  let token = 0;
  return groups.map(({ text, tokens }) => {
    const first = token;
    token += tokens.length;
    let sum = 0;
    for (let index = first; index < token; index++) sum += probabilities[index] ?? 0;
    return {
      text,
      start: boundaries[first] ?? 0,
      end: boundaries[token] ?? 0,
      probability: tokens.length > 0 ? sum / tokens.length : 0,
    };
  });
}
