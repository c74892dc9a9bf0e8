import { editDistance } from './edit-distance.ts';
import { DiaristError } from './errors.ts';

/**
 * The languages of Whisper, in the order of their tokens: code to English name. The codes are Whisper's own: ISO 639-1
 * but for `haw`, `yue` (large-v3 and later only) and `jw`, which ISO spells `jv`.
 * Source: openai-whisper 20250625, `tokenizer.py`.
 */
export const WHISPER_LANGUAGES = {
  en: 'English',
  zh: 'Chinese',
  de: 'German',
  es: 'Spanish',
  ru: 'Russian',
  ko: 'Korean',
  fr: 'French',
  ja: 'Japanese',
  pt: 'Portuguese',
  tr: 'Turkish',
  pl: 'Polish',
  ca: 'Catalan',
  nl: 'Dutch',
  ar: 'Arabic',
  sv: 'Swedish',
  it: 'Italian',
  id: 'Indonesian',
  hi: 'Hindi',
  fi: 'Finnish',
  vi: 'Vietnamese',
  he: 'Hebrew',
  uk: 'Ukrainian',
  el: 'Greek',
  ms: 'Malay',
  cs: 'Czech',
  ro: 'Romanian',
  da: 'Danish',
  hu: 'Hungarian',
  ta: 'Tamil',
  no: 'Norwegian',
  th: 'Thai',
  ur: 'Urdu',
  hr: 'Croatian',
  bg: 'Bulgarian',
  lt: 'Lithuanian',
  la: 'Latin',
  mi: 'Maori',
  ml: 'Malayalam',
  cy: 'Welsh',
  sk: 'Slovak',
  te: 'Telugu',
  fa: 'Persian',
  lv: 'Latvian',
  bn: 'Bengali',
  sr: 'Serbian',
  az: 'Azerbaijani',
  sl: 'Slovenian',
  kn: 'Kannada',
  et: 'Estonian',
  mk: 'Macedonian',
  br: 'Breton',
  eu: 'Basque',
  is: 'Icelandic',
  hy: 'Armenian',
  ne: 'Nepali',
  mn: 'Mongolian',
  bs: 'Bosnian',
  kk: 'Kazakh',
  sq: 'Albanian',
  sw: 'Swahili',
  gl: 'Galician',
  mr: 'Marathi',
  pa: 'Punjabi',
  si: 'Sinhala',
  km: 'Khmer',
  sn: 'Shona',
  yo: 'Yoruba',
  so: 'Somali',
  af: 'Afrikaans',
  oc: 'Occitan',
  ka: 'Georgian',
  be: 'Belarusian',
  tg: 'Tajik',
  sd: 'Sindhi',
  gu: 'Gujarati',
  am: 'Amharic',
  yi: 'Yiddish',
  lo: 'Lao',
  uz: 'Uzbek',
  fo: 'Faroese',
  ht: 'Haitian Creole',
  ps: 'Pashto',
  tk: 'Turkmen',
  nn: 'Nynorsk',
  mt: 'Maltese',
  sa: 'Sanskrit',
  lb: 'Luxembourgish',
  my: 'Myanmar',
  bo: 'Tibetan',
  tl: 'Tagalog',
  mg: 'Malagasy',
  as: 'Assamese',
  tt: 'Tatar',
  haw: 'Hawaiian',
  ln: 'Lingala',
  ha: 'Hausa',
  ba: 'Bashkir',
  jw: 'Javanese',
  su: 'Sundanese',
  yue: 'Cantonese',
} as const satisfies Record<string, string>;

export type LanguageCode = keyof typeof WHISPER_LANGUAGES;

/** Other English names of the same languages, as openai-whisper accepts them. */
const ALIASES: Readonly<Record<string, LanguageCode>> = {
  burmese: 'my',
  valencian: 'ca',
  flemish: 'nl',
  haitian: 'ht',
  letzeburgesch: 'lb',
  pushto: 'ps',
  panjabi: 'pa',
  moldavian: 'ro',
  moldovan: 'ro',
  sinhalese: 'si',
  castilian: 'es',
  mandarin: 'zh',
};

/** Codes that other standards, or older editions of them, give to the same languages. */
const CODE_SYNONYMS: Readonly<Record<string, LanguageCode>> = {
  jv: 'jw',
  nb: 'no',
  fil: 'tl',
  iw: 'he',
  in: 'id',
  ji: 'yi',
  mo: 'ro',
  cmn: 'zh',
};

/** Languages written without spaces between words; words are split at characters there. Source: openai-whisper. */
const UNSPACED: ReadonlySet<string> = new Set(['zh', 'ja', 'th', 'lo', 'my', 'yue']);

/** True where the language's words are not separated by spaces, so that text is joined without them. */
export function isWrittenWithoutSpaces(code: string): boolean {
  return UNSPACED.has(code);
}

export function isLanguageCode(code: string): code is LanguageCode {
  return Object.hasOwn(WHISPER_LANGUAGES, code);
}

/** English name of a language, e.g. `German`; the code itself where it is not one of Whisper's. */
export function languageName(code: string): string {
  return isLanguageCode(code) ? WHISPER_LANGUAGES[code] : code;
}

/** ISO 639-1 code of one of Whisper's; `haw` and `yue` have none and stay as they are. */
export function isoLanguageCode(code: string): string {
  return code === 'jw' ? 'jv' : code;
}

/**
 * Whisper's code for what a person wrote: a code (`de`), an English name or alias (`German`, `castilian`), a BCP-47 tag
 * (`pt-BR`, `zh_CN`) or a three-letter ISO 639 code (`deu`). Throws `unknown_language` that names the nearest valid ones.
 */
export function parseLanguage(input: string): LanguageCode {
  const wanted = input.trim().toLowerCase();
  const found = codeOf(wanted) ?? CODE_BY_NAME.get(wanted) ?? codeOfTag(wanted);
  if (found !== undefined) return found;
  const nearest = nearestLanguages(wanted).map((code) => `${code} (${WHISPER_LANGUAGES[code]})`);
  throw new DiaristError(
    'unknown_language',
    `There is no language "${input}": did you mean ${nearest.slice(0, -1).join(', ')} or ${nearest.at(-1)}?`,
  );
}

const CODE_BY_NAME: ReadonlyMap<string, LanguageCode> = new Map([
  ...Object.entries(WHISPER_LANGUAGES).map(([code, name]) => [name.toLowerCase(), code as LanguageCode] as const),
  ...Object.entries(ALIASES),
]);

function codeOf(subtag: string): LanguageCode | undefined {
  if (isLanguageCode(subtag)) return subtag;
  return Object.hasOwn(CODE_SYNONYMS, subtag) ? CODE_SYNONYMS[subtag] : undefined;
}

function codeOfTag(wanted: string): LanguageCode | undefined {
  const subtags = wanted.split(/[-_]/);
  const base = subtags[0] ?? '';
  // `zh-yue` is the older way to write Cantonese.
  if (base === 'zh' && subtags[1] === 'yue') return 'yue';
  if (!/^[a-z]{2,3}$/.test(base)) return undefined;
  return codeOf(base) ?? codeOf(Intl.getCanonicalLocales(base)[0] ?? '');
}

/** The three languages whose code, name or alias is the fewest edits away. */
function nearestLanguages(wanted: string): LanguageCode[] {
  const distances = new Map<LanguageCode, number>();
  const consider = (spelling: string, code: LanguageCode): void => {
    // A short code is always few edits away: measured against its length, a long name that nearly fits comes first.
    const distance = editDistance(wanted, spelling) / Math.max(wanted.length, spelling.length);
    distances.set(code, Math.min(distance, distances.get(code) ?? Number.POSITIVE_INFINITY));
  };
  for (const code of Object.keys(WHISPER_LANGUAGES)) consider(code, code as LanguageCode);
  for (const [name, code] of CODE_BY_NAME) consider(name, code);
  return [...distances]
    .sort((a, b) => a[1] - b[1])
    .slice(0, 3)
    .map(([code]) => code);
}
