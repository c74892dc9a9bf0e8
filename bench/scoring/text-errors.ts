import { normalizeBasic } from './basic-normalizer.ts';
import { wordErrors } from './edit-counts.ts';
import { normalizeEnglish } from './english-normalizer.ts';
import type { WordErrorCount } from './speaker-words.ts';

/** Languages scored by character, as their words are not separated or are not agreed on. */
export const CHARACTER_LANGUAGES: ReadonlySet<string> = new Set(['zh', 'yue', 'ja', 'ko']);

/** Words (or characters) of a text, normalised for its language. */
export function scoredWords(text: string, language: string): string[] {
  // AMI spells letters as `N_E_Z_`.
  const plain = text.replaceAll('_', '');
  const normalised =
    language === 'en' ? normalizeEnglish(plain) : normalizeBasic(plain, CHARACTER_LANGUAGES.has(language));
  return normalised.split(' ').filter((word) => word !== '');
}

/** Word errors, or character errors where {@link CHARACTER_LANGUAGES} says so. */
export function textErrors(reference: string, hypothesis: string, language: string): WordErrorCount {
  const words = scoredWords(reference, language);
  return { errors: wordErrors(words, scoredWords(hypothesis, language)), words: words.length };
}
