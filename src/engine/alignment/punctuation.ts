import type { TimedWord } from './timed-word.ts';

/** Marks that belong to the word after them and to the word before them. Source: openai-whisper 20250625. */
const PREPENDED = '"\'“¿([{-';
const APPENDED = '"\'.。,，!！?？:：”)]}、';

/**
 * Joins punctuation that stands alone to its neighbour, whose time it takes; emptied words are left out.
 * Source: faster-whisper 1.2.1 `merge_punctuations`, which looks a mark up as a part of the list, as here.
 */
export function mergePunctuation(words: readonly TimedWord[]): TimedWord[] {
  const merged = words.map((word) => ({ ...word }));
  prepend(merged);
  append(merged);
  return merged.filter(({ text }) => text !== '');
}

function prepend(words: TimedWord[]): void {
  let following = words.length - 1;
  for (let index = words.length - 2; index >= 0; index--) {
    const mark = words[index]!;
    if (mark.text.startsWith(' ') && PREPENDED.includes(mark.text.trim())) {
      words[following]!.text = mark.text + words[following]!.text;
      mark.text = '';
    } else {
      following = index;
    }
  }
}

function append(words: TimedWord[]): void {
  let previous = 0;
  for (let index = 1; index < words.length; index++) {
    const mark = words[index]!;
    if (!words[previous]!.text.endsWith(' ') && APPENDED.includes(mark.text)) {
      words[previous]!.text += mark.text;
      mark.text = '';
    } else {
      previous = index;
    }
  }
}
