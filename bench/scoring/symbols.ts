/** Letters that no decomposition turns into plain ones. Source: openai-whisper, `normalizers/basic.py`. */
const PLAIN_LETTERS: Readonly<Record<string, string>> = {
  œ: 'oe',
  Œ: 'OE',
  ø: 'o',
  Ø: 'O',
  æ: 'ae',
  Æ: 'AE',
  ß: 'ss',
  ẞ: 'SS',
  đ: 'd',
  Đ: 'D',
  ð: 'd',
  Ð: 'D',
  þ: 'th',
  Þ: 'th',
  ł: 'l',
  Ł: 'L',
};

const MARK_SYMBOL_OR_PUNCTUATION = /[\p{M}\p{S}\p{P}]/u;
const NONSPACING_MARK = /\p{Mn}/u;

/** Marks, symbols and punctuation become spaces, after compatibility composition (NFKC). */
export function withoutSymbols(text: string): string {
  return text.normalize('NFKC').replace(/[\p{M}\p{S}\p{P}]/gu, ' ');
}

/** As {@link withoutSymbols}, and accents are dropped (`é` becomes `e`); characters of `keep` stay. */
export function withoutSymbolsAndAccents(text: string, keep: string): string {
  let plain = '';
  for (const character of text.normalize('NFKD')) {
    if (keep.includes(character)) plain += character;
    else if (Object.hasOwn(PLAIN_LETTERS, character)) plain += PLAIN_LETTERS[character];
    else if (NONSPACING_MARK.test(character)) continue;
    else plain += MARK_SYMBOL_OR_PUNCTUATION.test(character) ? ' ' : character;
  }
  return plain;
}

/** Drops what stands in brackets: `[laughs]`, `<unk>`, `(inaudible)`. */
export function withoutBracketed(text: string): string {
  return text.replace(/[<[][^>\]]*[>\]]/g, '').replace(/\(([^)]+?)\)/g, '');
}

export function singleSpaced(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
