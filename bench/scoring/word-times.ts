/** A word and when it is said, in seconds of the recording. */
export interface TimedWord {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Words that two recognitions of one recording share, in the order of both: a longest common subsequence of their texts
 * without case and punctuation. Where several are as long, words are paired as late as possible. O(a x b) time and memory.
 */
export function matchedWords(
  reference: readonly TimedWord[],
  other: readonly TimedWord[],
): (readonly [TimedWord, TimedWord])[] {
  const a = reference.map(({ text }) => plain(text));
  const b = other.map(({ text }) => plain(text));
  const width = b.length + 1;
  const longest = new Uint16Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      longest[i * width + j] =
        a[i - 1] !== '' && a[i - 1] === b[j - 1]
          ? longest[(i - 1) * width + j - 1]! + 1
          : Math.max(longest[(i - 1) * width + j]!, longest[i * width + j - 1]!);
    }
  }
  const pairs: (readonly [TimedWord, TimedWord])[] = [];
  for (let i = a.length, j = b.length; i > 0 && j > 0; ) {
    if (a[i - 1] !== '' && a[i - 1] === b[j - 1]) pairs.push([reference[--i]!, other[--j]!]);
    else if (longest[(i - 1) * width + j]! >= longest[i * width + j - 1]!) i--;
    else j--;
  }
  return pairs.reverse();
}

/** The value that a share of the values do not exceed (nearest rank); NaN for none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((x, y) => x - y);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

const plain = (text: string): string => text.toLowerCase().replaceAll(/[^\p{L}\p{M}\p{N}]/gu, '');
