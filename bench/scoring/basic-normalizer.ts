import { singleSpaced, withoutBracketed, withoutSymbols } from './symbols.ts';

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/**
 * Text of any language made comparable: lower case, nothing in brackets, no marks, symbols or punctuation. Source:
 * Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, appendix C.
 *
 * @param splitCharacters puts a space after every character, so that word errors become character errors.
 */
export function normalizeBasic(text: string, splitCharacters = false): string {
  const clean = withoutSymbols(withoutBracketed(text.toLowerCase())).toLowerCase();
  const split = splitCharacters ? [...graphemes.segment(clean)].map(({ segment }) => segment).join(' ') : clean;
  return singleSpaced(split);
}
