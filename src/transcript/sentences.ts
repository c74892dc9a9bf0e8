/** Titles and shorthands whose full stop does not end a sentence. Lower case, without the last stop. */
const ABBREVIATIONS: ReadonlySet<string> = new Set(
  (
    'mr mrs ms dr prof st jr sr vs etc e.g i.e fig no vol approx dept inc ltd co corp gen col lt sgt capt rev hon gov ' +
    'sen rep mt ft ave blvd z.b d.h u.a bzw ca nr usw str hr fr sra dra sig mme mlle'
  ).split(' '),
);

const SENTENCE_END = /[.!?…。？！｡؟۔।॥]["'”’»)\]）」』]*$/u;
const CLAUSE_END = /[,;:，、；：،؛–—]["'”’»)\]）」』]*$/u;

/**
 * True where a sentence ends after `word`. Needs the word after it (undefined at the end of the text) to tell a full
 * stop from an abbreviation's: a word that goes on in lower case goes on with the sentence.
 */
export function endsSentence(word: string, next?: string): boolean {
  if (!SENTENCE_END.test(word)) return false;
  const stem = word.replace(/["'”’»)\]）」』]+$/u, '');
  if (!stem.endsWith('.') || stem.endsWith('..'))
    return next === undefined || !startsLowerCase(next) || !/[.…]$/u.test(stem);
  const name = stem.slice(0, -1).replace(/^["'“‘«([¿¡]+/u, '');
  if (next === undefined) return true;
  if (startsLowerCase(next)) return false;
  // A lone capital is an initial, but for the English pronoun.
  return !ABBREVIATIONS.has(name.toLowerCase()) && !(/^\p{Lu}$/u.test(name) && name !== 'I');
}

/** True where a clause ends after `word`: a comma, colon, semicolon or dash. */
export function endsClause(word: string): boolean {
  return CLAUSE_END.test(word);
}

function startsLowerCase(word: string): boolean {
  return /^["'“‘«([]*\p{Ll}/u.test(word);
}
