import type { Transcript } from '../../../transcript/types.ts';

/** Stands where a segment's speaker is not known. */
export const UNKNOWN_SPEAKER = 'unknown';

/**
 * Labels of a diarized transcript as OpenAI has them: known names as they are, everybody else `A`, `B` … `Z`, `AA` in order
 * of first appearance. A letter that is a known name is left out, so that no stranger is called by it.
 */
export function letterLabels(
  { segments, speakers }: Pick<Transcript, 'segments' | 'speakers'>,
  knownNames: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  let letters = 0;
  const appearing = [...segments.map(({ speaker }) => speaker), ...speakers.map(({ label }) => label)];
  for (const speaker of appearing) {
    if (speaker === undefined || labels.has(speaker)) continue;
    if (knownNames.has(speaker)) {
      labels.set(speaker, speaker);
      continue;
    }
    let letter: string;
    do letter = letterOf(letters++);
    while (knownNames.has(letter));
    labels.set(speaker, letter);
  }
  return labels;
}

/** `A` for 0 … `Z` for 25, `AA` for 26, as columns of a spreadsheet are counted. */
function letterOf(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : letterOf(Math.floor(index / 26) - 1) + last;
}
