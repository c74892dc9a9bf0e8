import { isWrittenWithoutSpaces } from '../../../core/languages.ts';
import type { Seconds } from '../../../core/units.ts';
import type { Transcript, Turn } from '../../../transcript/types.ts';

/** Consecutive words of one speaker. */
export interface SpeakerBlock {
  readonly startMs: number;
  readonly endMs: number;
  /** Label of the transcript; undefined where no turn touches the words. */
  readonly speaker: string | undefined;
  readonly text: string;
}

/** Silence between two words that ends a block although the same person goes on. */
const LONGEST_PAUSE_SECONDS: Seconds = 1.5;

/** What blocks are made of: a word, or a whole segment where its words have no times. */
interface Piece {
  readonly text: string;
  readonly start: Seconds;
  readonly end: Seconds;
  /** Who the transcript says it was. */
  readonly heard: string | undefined;
  readonly spaceBefore: boolean;
  readonly unspaced: boolean;
}

interface OpenBlock {
  readonly start: Seconds;
  end: Seconds;
  readonly speaker: string | undefined;
  text: string;
}

/**
 * The transcript as blocks of one speaker each, in order of time. A word belongs to the turn that contains its midpoint,
 * else to the turn it overlaps most, else to nobody. A block ends where the speaker changes or the silence between words
 * is over 1.5 s.
 */
export function speakerBlocks(transcript: Transcript): SpeakerBlock[] {
  const speakerOf = speakerFinder(transcript.turns);
  const blocks: OpenBlock[] = [];
  for (const piece of pieces(transcript)) {
    const speaker = speakerOf(piece);
    const block = blocks.at(-1);
    if (
      block === undefined ||
      block.speaker !== speaker ||
      // Times are whole milliseconds at the finest; the rest is the error of floating point.
      piece.start - block.end > LONGEST_PAUSE_SECONDS + 1e-6
    ) {
      blocks.push({ start: piece.start, end: Math.max(piece.start, piece.end), speaker, text: piece.text });
    } else {
      block.text += (isTight(block.text, piece) ? '' : ' ') + piece.text;
      block.end = Math.max(block.end, piece.end);
    }
  }
  return blocks.map(({ start, end, speaker, text }) => ({
    startMs: Math.round(start * 1000),
    endMs: Math.round(end * 1000),
    speaker,
    text,
  }));
}

function pieces(transcript: Transcript): Piece[] {
  const all = transcript.segments.flatMap((segment) => {
    const language = segment.language ?? transcript.language;
    const unspaced = language !== null && isWrittenWithoutSpaces(language);
    const units = segment.words !== undefined && segment.words.length > 0 ? segment.words : [segment];
    return units.map(
      (unit): Piece => ({
        text: unit.text.trim(),
        start: unit.start,
        end: unit.end,
        heard: unit.speaker ?? segment.speaker,
        spaceBefore: !('spaceBefore' in unit) || unit.spaceBefore !== false,
        unspaced,
      }),
    );
  });
  return all.filter(({ text }) => text !== '').sort((a, b) => a.start - b.start);
}

/** Finds who said a piece; to be asked in order of the pieces' starts, so that each turn is looked at only near its time. */
function speakerFinder(turns: readonly Turn[]): (piece: Piece) => string | undefined {
  const coming = turns.toSorted((a, b) => b.start - a.start);
  let near: Turn[] = [];
  return (piece) => {
    while (coming.length > 0 && coming.at(-1)!.start <= piece.end) near.push(coming.pop()!);
    near = near.filter(({ end }) => end >= piece.start);
    const middle = (piece.start + piece.end) / 2;
    const around = near.filter((turn) => turn.start <= middle && middle <= turn.end);
    // Where people talk at once, the pipeline has judged already whose word it is.
    if (around.length > 0) return (around.find(({ speaker }) => speaker === piece.heard) ?? around[0]!).speaker;
    return mostOverlapping(piece, near)?.speaker;
  };
}

function mostOverlapping(piece: Piece, turns: readonly Turn[]): Turn | undefined {
  let nearest: Turn | undefined;
  let most = 0;
  for (const turn of turns) {
    const overlap = Math.min(piece.end, turn.end) - Math.max(piece.start, turn.start);
    if (overlap > most) {
      most = overlap;
      nearest = turn;
    }
  }
  return nearest;
}

const CLOSING = /^[.,;:!?)\]}]/u;
/** A quotation mark closes where nothing follows it; `'s` and the like belong to the word before them. */
const CLOSING_QUOTE = /^['"](?:[^\p{L}\p{N}]*$|(?<=')\p{L}{1,2}(?!\p{L}))/u;
const LATIN_END = /[\p{Script=Latin}\p{N}]$/u;
const LATIN_START = /^[\p{Script=Latin}\p{N}]/u;

function isTight(before: string, piece: Piece): boolean {
  if (!piece.spaceBefore || CLOSING.test(piece.text) || CLOSING_QUOTE.test(piece.text)) return true;
  // Foreign words inside such a language keep the space between each other.
  return piece.unspaced && !(LATIN_END.test(before) && LATIN_START.test(piece.text));
}
