import { isWrittenWithoutSpaces } from '../../core/languages.ts';

/** A word as the tokens spell it, leading space included, and the tokens that spell it. */
export interface TokenWord {
  readonly text: string;
  readonly tokens: readonly number[];
}

/** What splitting needs of a tokenizer. */
export interface WordSplitter {
  /** First special token: everything below is text. */
  readonly eot: number;
  /** Text of the tokens, with timestamps written as `<|1.00|>`. */
  decodeWithTimestamps(tokens: readonly number[]): string;
}

/** Python's `string.punctuation`, as one string because the reference looks for a word as a part of it. */
const ASCII_PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';
/** What Python's `strip` takes off, but for four control characters; `trim` leaves U+0085 and takes U+FEFF. */
const OUTER_SPACE = /^\p{White_Space}+|\p{White_Space}+$/gu;
const REPLACEMENT = '\u{fffd}';

/**
 * Splits tokens into words: at spaces, or in languages that have none at every position where whole characters end.
 * Punctuation stands as words of its own; alignment joins it once it has used it to find sentence ends. Every token is in
 * exactly one word, in order. Source: openai-whisper 20250625 and faster-whisper 1.2.1, `split_to_word_tokens`.
 */
export function splitToWords(tokens: readonly number[], language: string, splitter: WordSplitter): TokenWord[] {
  const characters = splitAtCharacters(tokens, splitter);
  return isWrittenWithoutSpaces(language) ? characters : joinAtSpaces(characters, splitter.eot);
}

function splitAtCharacters(tokens: readonly number[], splitter: WordSplitter): TokenWord[] {
  const whole = splitter.decodeWithTimestamps(tokens);
  const words: TokenWord[] = [];
  let current: number[] = [];
  let offset = 0;
  for (const token of tokens) {
    current.push(token);
    const text = splitter.decodeWithTimestamps(current);
    const broken = text.indexOf(REPLACEMENT);
    // A replacement character that the whole text has too is no character cut in two: it stays broken.
    if (broken < 0 || whole[offset + broken] === REPLACEMENT) {
      words.push({ text, tokens: current });
      current = [];
      offset += text.length;
    }
  }
  if (current.length > 0) words.push({ text: splitter.decodeWithTimestamps(current), tokens: current });
  return words;
}

function joinAtSpaces(characters: readonly TokenWord[], eot: number): TokenWord[] {
  const words: { text: string; tokens: number[] }[] = [];
  for (const { text, tokens } of characters) {
    const last = words.at(-1);
    const startsWord =
      tokens[0]! >= eot || text.startsWith(' ') || ASCII_PUNCTUATION.includes(text.replace(OUTER_SPACE, ''));
    if (startsWord || last === undefined) {
      words.push({ text, tokens: [...tokens] });
    } else {
      last.text += text;
      last.tokens.push(...tokens);
    }
  }
  return words;
}
