/**
 * Fewest word insertions, deletions and substitutions that turn the hypothesis into the reference (Levenshtein), in
 * O(reference x hypothesis) time and O(hypothesis) memory.
 */
export function wordErrors(reference: readonly string[], hypothesis: readonly string[]): number {
  const ids = new Map<string, number>();
  const encode = (words: readonly string[]): Int32Array =>
    Int32Array.from(words, (word) => {
      const known = ids.get(word) ?? ids.size;
      ids.set(word, known);
      return known;
    });
  const from = encode(reference);
  const to = encode(hypothesis);
  const row = Int32Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    let diagonal = row[0]!;
    row[0] = i;
    for (let j = 1; j <= to.length; j++) {
      const above = row[j]!;
      const replaced = diagonal + (from[i - 1] === to[j - 1] ? 0 : 1);
      row[j] = Math.min(replaced, above + 1, row[j - 1]! + 1);
      diagonal = above;
    }
  }
  return row[to.length]!;
}
