import { endsSentence } from '../../transcript/sentences.ts';
import type { Word } from '../../transcript/types.ts';

/** Words closer than this (seconds) were said in one breath. */
const ONE_BREATH = 0.2;
/** A longer word is heard well enough by the diarization. */
const SHORT_WORD = 0.6;
const ISLAND_WORD = 0.4;

/**
 * Corrects single words whose speaker is clearly wrong, because a turn's border fell a word too early or too late:
 * one short word of somebody else inside a sentence said in one breath; the last word of a sentence that went to the
 * next speaker; the first word of one that stayed with the speaker before. Anything that may be an interjection, or
 * has a pause, a capital letter or a sentence end that speaks for the border, is left alone.
 */
export function smoothSpeakers<W extends Word>(words: readonly W[]): W[] {
  const smoothed = [...words];
  for (let index = 0; index < smoothed.length; index++) {
    const speaker = correctedSpeaker(smoothed[index - 1], smoothed[index]!, smoothed[index + 1]);
    if (speaker !== undefined) smoothed[index] = { ...smoothed[index]!, speaker };
  }
  return smoothed;
}

function correctedSpeaker(before: Word | undefined, word: Word, after: Word | undefined): string | undefined {
  if (before?.speaker === undefined || word.speaker === undefined || after?.speaker === undefined) return undefined;
  const length = word.end - word.start;
  const gapBefore = word.start - before.end;
  const gapAfter = after.start - word.end;
  const beginsSentence = endsSentence(before.text, word.text);
  const closesSentence = endsSentence(word.text, after.text);
  if (before.speaker === after.speaker && word.speaker !== before.speaker) {
    const isInside = !beginsSentence && !closesSentence && gapBefore <= ONE_BREATH && gapAfter <= ONE_BREATH;
    return isInside && length <= ISLAND_WORD ? before.speaker : undefined;
  }
  if (length > SHORT_WORD) return undefined;
  if (word.speaker === after.speaker && word.speaker !== before.speaker) {
    const isTail = closesSentence && !beginsSentence && !startsUpperCase(word.text);
    return isTail && gapBefore <= ONE_BREATH && gapBefore <= gapAfter ? before.speaker : undefined;
  }
  if (word.speaker === before.speaker && word.speaker !== after.speaker) {
    const isHead = beginsSentence && !closesSentence && !startsUpperCase(after.text);
    return isHead && gapAfter <= ONE_BREATH && gapAfter <= gapBefore ? after.speaker : undefined;
  }
  return undefined;
}

/** True where a capital speaks for a new sentence; the English `I` always has one. */
function startsUpperCase(text: string): boolean {
  return /^[^\p{L}\p{N}]*\p{Lu}/u.test(text) && !/^I(?:['’]\p{Ll}+)?[^\p{L}\p{N}]*$/u.test(text);
}
