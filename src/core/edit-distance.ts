/**
 * Levenshtein distance over UTF-16 units of texts or items of lists: the fewest insertions, deletions and substitutions
 * that turn `a` into `b`. For short ones; the scorers of bench/ have one for long sequences.
 */
export function editDistance<Item>(a: ArrayLike<Item>, b: ArrayLike<Item>): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
