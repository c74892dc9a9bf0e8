import { LOWEST_LOGPROB } from '../../../transcript/formats/json.ts';
import type { Word } from '../../../transcript/types.ts';
import type { Logprob } from './schemas.ts';

/**
 * Log-probabilities of a text, an entry a word: the engine keeps no probability of single tokens beyond its words. Joined,
 * the tokens are the text; `startsText` says that no space stands before the first one.
 */
export function logprobsOf(words: readonly Word[], startsText: boolean): Logprob[] {
  return words.map(({ text, probability, spaceBefore }, index) => {
    const token = (startsText && index === 0) || spaceBefore === false ? text : ` ${text}`;
    const logprob = probability > 0 ? Math.log(probability) : LOWEST_LOGPROB;
    return { token, logprob: Math.round(logprob * 1e6) / 1e6 + 0, bytes: [...Buffer.from(token)] };
  });
}
