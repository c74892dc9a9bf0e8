/** What joining needs of a word. */
export interface SpacedText {
  readonly text: string;
  readonly spaceBefore?: boolean;
}

/** Text of words in order, each after a space unless it says otherwise. No space leads or trails. */
export function joinWords(words: readonly SpacedText[]): string {
  let text = '';
  for (const word of words) text += text !== '' && word.spaceBefore !== false ? ` ${word.text}` : word.text;
  return text.trim();
}

/** What joining needs of a segment. */
export interface SegmentText {
  readonly text: string;
  readonly words?: readonly SpacedText[];
}

/**
 * Text of segments in order. Where words are there the first one says whether a space leads; else two sides in a script
 * without spaces join without one.
 */
export function joinSegmentTexts(segments: readonly SegmentText[]): string {
  let text = '';
  for (const segment of segments) {
    const own = segment.text.trim();
    if (own === '') continue;
    const firstWord = segment.words?.[0];
    const glued =
      firstWord === undefined
        ? WITHOUT_SPACE_AFTER.test(text) && UNSPACED_SCRIPT.test(own.charAt(0))
        : firstWord.spaceBefore === false;
    text += text === '' || glued ? own : ` ${own}`;
  }
  return text;
}

/** One line: line breaks, tabs and runs of white space become single spaces. */
export function singleLine(text: string): string {
  return text.replace(/\s+/gu, ' ').trim();
}

/** Scripts whose words are not separated by spaces. */
const UNSPACED_SCRIPT =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

const WITHOUT_SPACE_AFTER = new RegExp(`(?:${UNSPACED_SCRIPT.source}|[。？！，、；：…」』）])$`, 'u');

/**
 * Splits text into pieces where a line may break: at spaces, and inside scripts without spaces at the word boundaries
 * of the Unicode text-segmentation rules. Punctuation stays with the piece it belongs to.
 */
export function breakableParts(text: string): SpacedText[] {
  const parts: SpacedText[] = [];
  for (const [index, piece] of singleLine(text).split(' ').entries()) {
    if (piece === '') continue;
    const subParts = UNSPACED_SCRIPT.test(piece) ? wordsWithoutSpaces(piece) : [piece];
    for (const [subIndex, part] of subParts.entries()) {
      parts.push(subIndex === 0 && index > 0 ? { text: part } : { text: part, spaceBefore: false });
    }
  }
  return parts;
}

const OPENING = /^[\p{Ps}\p{Pi}¿¡]+$/u;
const wordSegmenter = new Intl.Segmenter(undefined, { granularity: 'word' });

function wordsWithoutSpaces(text: string): string[] {
  const words: string[] = [];
  let opening = '';
  for (const { segment, isWordLike } of wordSegmenter.segment(text)) {
    if (isWordLike === true || words.length === 0) {
      if (OPENING.test(segment)) opening += segment;
      else {
        words.push(opening + segment);
        opening = '';
      }
    } else if (OPENING.test(segment)) {
      opening += segment;
    } else {
      words[words.length - 1] += opening + segment;
      opening = '';
    }
  }
  if (opening !== '') {
    if (words.length === 0) words.push(opening);
    else words[words.length - 1] += opening;
  }
  return words;
}
