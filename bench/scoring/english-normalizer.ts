import { normalizeNumbers } from './english-numbers.ts';
import { americanSpelling } from './spelling.ts';
import { singleSpaced, withoutBracketed, withoutSymbolsAndAccents } from './symbols.ts';

/** Hesitations that no reference has to hold. */
const FILLERS = 'hmm|mm|mhm|mmm|uh|um';

const WHOLE_WORDS: Readonly<Record<string, string>> = {
  "won't": 'will not',
  "can't": 'can not',
  "let's": 'let us',
  "ain't": 'aint',
  "y'all": 'you all',
  wanna: 'want to',
  kinda: 'kind of',
  sorta: 'sort of',
  dunno: 'do not know',
  gotta: 'got to',
  gonna: 'going to',
  "i'ma": 'i am going to',
  imma: 'i am going to',
  woulda: 'would have',
  coulda: 'could have',
  shoulda: 'should have',
  cause: 'because',
  "ma'am": 'madam',
};

/** A title is followed by a name, even where its full stop hid the space: `mr.smith`. */
const TITLES: Readonly<Record<string, string>> = {
  mr: 'mister',
  mrs: 'missus',
  st: 'saint',
  dr: 'doctor',
  prof: 'professor',
  capt: 'captain',
  gov: 'governor',
  ald: 'alderman',
  gen: 'general',
  sen: 'senator',
  rep: 'representative',
  pres: 'president',
  rev: 'reverend',
  hon: 'honorable',
  asst: 'assistant',
  assoc: 'associate',
  lt: 'lieutenant',
  col: 'colonel',
  jr: 'junior',
  sr: 'senior',
  esq: 'esquire',
};

/** Order matters: what the perfect tense explains is not left to the general rules after it. */
const ENDINGS: readonly (readonly [string, string])[] = [
  ["'d been", ' had been'],
  ["'s been", ' has been'],
  ["'d gone", ' had gone'],
  ["'s gone", ' has gone'],
  ["'d done", ' had done'],
  ["'s got", ' has got'],
  ["n't", ' not'],
  ["'re", ' are'],
  ["'s", ' is'],
  ["'d", ' would'],
  ["'ll", ' will'],
  ["'t", ' not'],
  ["'ve", ' have'],
  ["'m", ' am'],
];

const WORD = String.raw`[\p{L}\p{N}_]`;
const STARTS = `(?<!${WORD})`;
const ENDS = `(?!${WORD})`;

const REPLACEMENTS: readonly (readonly [RegExp, string])[] = [
  ...Object.entries(WHOLE_WORDS).map(([from, to]) => [new RegExp(STARTS + from + ENDS, 'gu'), to] as const),
  ...Object.entries(TITLES).map(([from, to]) => [new RegExp(STARTS + from + ENDS, 'gu'), `${to} `] as const),
  ...ENDINGS.map(([from, to]) => [new RegExp(from + ENDS, 'gu'), to] as const),
];

const FILLER = new RegExp(`${STARTS}(?:${FILLERS})${ENDS}`, 'gu');
const NUMERIC_SYMBOLS = '.%$¢€£';

/**
 * English text made comparable: lower case, without hesitations, brackets, punctuation and accents, contractions and
 * titles written out, numbers in digits, American spelling. Gives what Whisper's normaliser gives. Source: Radford et
 * al., Robust Speech Recognition via Large-Scale Weak Supervision, appendix C; word lists of openai-whisper (MIT).
 */
export function normalizeEnglish(text: string): string {
  let plain = withoutBracketed(text.toLowerCase()).replace(FILLER, '').replace(/\s+'/g, "'");
  for (const [pattern, replacement] of REPLACEMENTS) plain = plain.replace(pattern, replacement);
  plain = plain.replace(/(\d),(\d)/g, '$1$2').replace(/\.([^0-9]|$)/g, ' $1');
  plain = normalizeNumbers(withoutSymbolsAndAccents(plain, NUMERIC_SYMBOLS));
  plain = plain
    .split(/\s+/)
    .filter((word) => word !== '')
    .map(americanSpelling)
    .join(' ');
  return singleSpaced(plain.replace(/[.$¢€£]([^0-9])/g, ' $1').replace(/([^0-9])%/g, '$1 '));
}
