import fc from 'fast-check';
import { expect, it } from 'vitest';
import { matchedWords, quantile, type TimedWord } from './word-times.ts';

const timed = (text: string, offset = 0): TimedWord[] =>
  text.split(' ').map((word, index) => ({ text: word, start: index + offset, end: index + offset + 0.5 }));

it('pairs the words that both heard, whatever their case and punctuation', () => {
  const pairs = matchedWords(timed('So, the cat sat down …'), timed('the CAT that sat. Down', 0.25));
  expect(pairs.map(([a, b]) => [a.text, b.text])).toEqual([
    ['the', 'the'],
    ['cat', 'CAT'],
    ['sat', 'sat.'],
    ['down', 'Down'],
  ]);
  expect(pairs[1]![1].start - pairs[1]![0].start).toBeCloseTo(-0.75);
  expect(matchedWords([], timed('a'))).toEqual([]);
});

it('pairs in the order of both, all of what is the same', () => {
  const words = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 12 }).map((list) => timed(list.join(' ')));
  fc.assert(
    fc.property(words, words, (a, b) => {
      const pairs = matchedWords(a, b);
      for (const [x, y] of pairs) expect(x.text).toBe(y.text);
      for (const side of [0, 1] as const) {
        const starts = pairs.map((pair) => pair[side].start);
        expect(starts).toEqual([...new Set(starts)].sort((x, y) => x - y));
      }
      expect(pairs.length).toBe(matchedWords(b, a).length);
      expect(matchedWords(a, a).length).toBe(a.filter(({ text }) => text !== '').length);
    }),
  );
});

it('takes quantiles by nearest rank', () => {
  const values = Array.from({ length: 10 }, (_, index) => 10 - index);
  expect([quantile(values, 0.5), quantile(values, 0.9), quantile([3], 0.9)]).toEqual([5, 9, 3]);
  expect(quantile([], 0.5)).toBeNaN();
});
