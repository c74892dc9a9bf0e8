import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PartTeller } from './part-teller.ts';
import type { TranscriptPart } from './types.ts';

const part = (index: number, text = String(index)): TranscriptPart => ({
  index,
  start: index,
  end: index + 1,
  text,
  language: 'en',
  words: [],
  avgLogprob: 0,
});

it('tells every part once, in order, whatever the order they come in and whenever they are certain', () => {
  const orders = fc.nat(8).chain((count) =>
    fc.record({
      order: fc.shuffledSubarray(
        Array.from({ length: count }, (_, i) => i),
        { minLength: count },
      ),
      certainAfter: fc.nat(count),
    }),
  );
  fc.assert(
    fc.property(orders, ({ order, certainAfter }) => {
      const told: number[] = [];
      const teller = new PartTeller(({ index }) => told.push(index));
      order.forEach((index, position) => {
        if (position === certainAfter) teller.makeCertain();
        if (position < certainAfter) expect(told).toEqual([]);
        teller.add(part(index));
      });
      teller.makeCertain();
      expect(told).toEqual(order.toSorted((a, b) => a - b));
    }),
  );
});

it('tells what a part became before it was certain, and not again afterwards', () => {
  const told: string[] = [];
  const teller = new PartTeller(({ text }) => told.push(text));
  teller.add(part(0, 'Guten Tag'));
  teller.add(part(0, 'Goede dag'));
  teller.makeCertain();
  teller.add(part(0, 'Good day'));
  expect(told).toEqual(['Goede dag']);
});
