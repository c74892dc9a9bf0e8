import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assign } from './assignment.ts';
import { normalizeBasic } from './basic-normalizer.ts';
import { diarizationErrors } from './diarization-error.ts';
import { wordErrors } from './edit-counts.ts';
import { normalizeEnglish } from './english-normalizer.ts';
import { speakerWordErrors } from './speaker-words.ts';
import { textErrors } from './text-errors.ts';

describe('normalisation, pinned to whisper_normalizer 0.1.15', () => {
  it.each([
    ["Mr. Smith won't pay $20 million, he's gone!", 'mister smith will not pay $20000000 he has gone'],
    ["It's twenty-five past one oh one, isn't it?", 'it is 25 past 101 is not it'],
    ['Two and a half thousand people [laughs] (inaudible) came on the twenty first.', '2500 people came on the 21st'],
    ["The colour of Dr. O'Brien's organised café…", 'the color of doctor 0 brien is organized cafe ..'],
    ['minus five percent, double three four, and 1,000.50 euros', '-5% 334 and €1000.50'],
    [
      "She'd been in the sixties; they'd like 3 hundred and five of them.",
      'she had been in the 60s they would like 305 of them',
    ],
    ["Um, we're gonna need 10km of cable, y'all", 'we are going to need 10 km of cable you all'],
    ['one and two dollars and seven cents', 'one and $2.07'],
    ["the 3rd o'clock point five two point one", 'the 3rd 0 clock .52 one'],
  ])('English: %s', (text, expected) => {
    expect(normalizeEnglish(text)).toBe(expected);
  });

  it('other languages', () => {
    expect(normalizeBasic('¿Qué tal, señor? [risas] ¡Muy bien!')).toBe('qué tal señor muy bien');
    expect(normalizeBasic('Straße — „gut“ (leise) GROẞ')).toBe('straße gut groß');
    expect(normalizeBasic('今天，我们去 Park。', true)).toBe('今 天 我 们 去 p a r k');
    expect(normalizeBasic('안녕하세요! 한국어', true)).toBe('안 녕 하 세 요 한 국 어');
  });
});

describe('word errors', () => {
  it('counts what must change', () => {
    expect(wordErrors(['a', 'b', 'c'], ['a', 'x', 'c', 'd'])).toBe(2);
    expect(wordErrors([], ['a'])).toBe(1);
    expect(wordErrors(['a', 'b'], [])).toBe(2);
    expect(textErrors('Ten dollars, please.', '$10 please', 'en')).toEqual({ errors: 0, words: 2 });
    expect(textErrors('今天很好', '今天不好', 'zh')).toEqual({ errors: 1, words: 4 });
  });

  it('is a metric', () => {
    const words = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 12 });
    fc.assert(
      fc.property(words, words, words, (a, b, c) => {
        expect(wordErrors(a, a)).toBe(0);
        expect(wordErrors(a, b)).toBe(wordErrors(b, a));
        expect(wordErrors(a, c)).toBeLessThanOrEqual(wordErrors(a, b) + wordErrors(b, c));
        expect(wordErrors(a, b)).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
  });
});

describe('assign', () => {
  it('finds the least cost that trying everything finds', () => {
    const least = (
      cost: readonly (readonly number[])[],
      row: number,
      used: ReadonlySet<number>,
      skips: number,
    ): number => {
      if (row === cost.length) return 0;
      let best = skips > 0 ? least(cost, row + 1, used, skips - 1) : Number.POSITIVE_INFINITY;
      for (const [column, own] of cost[row]!.entries()) {
        if (!used.has(column)) best = Math.min(best, own + least(cost, row + 1, new Set([...used, column]), skips));
      }
      return best;
    };
    const matrix = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })).chain(([rows, columns]) =>
      fc.array(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: columns, maxLength: columns }), {
        minLength: rows,
        maxLength: rows,
      }),
    );
    fc.assert(
      fc.property(matrix, (cost) => {
        const assigned = assign(cost);
        const columns = assigned.filter((column) => column >= 0);
        expect(new Set(columns).size).toBe(Math.min(cost.length, cost[0]!.length));
        const total = assigned.reduce((sum, column, row) => sum + (column < 0 ? 0 : cost[row]![column]!), 0);
        expect(total).toBe(least(cost, 0, new Set(), Math.max(0, cost.length - cost[0]!.length)));
      }),
    );
  });
});

describe('diarization errors, pinned to pyannote.metrics 4.2.0', () => {
  const turn = (speaker: string, start: number, end: number) => ({ speaker, start, end });
  const reference = [turn('A', 0, 10), turn('B', 8, 15), turn('A', 16, 20)];
  const hypothesis = [turn('x', 0.5, 9), turn('y', 9, 16.5), turn('z', 16.5, 22), turn('x', 14, 15)];

  it('with and without a collar', () => {
    expect(diarizationErrors(reference, hypothesis, 21)).toMatchObject({
      total: 21,
      missed: 2.5,
      falseAlarm: 3,
      confusion: 4,
    });
    expect(diarizationErrors(reference, hypothesis, 21, 0.25)).toMatchObject({
      total: 19.75,
      missed: 2.125,
      falseAlarm: 2.5,
      confusion: 3.75,
    });
  });

  it('does not mind what speakers are called', () => {
    const renamed = hypothesis.map((own) => ({
      ...own,
      speaker: own.speaker === 'x' ? 'z' : own.speaker === 'z' ? 'x' : 'A',
    }));
    expect(diarizationErrors(reference, renamed, 21)).toEqual(diarizationErrors(reference, hypothesis, 21));
    expect(diarizationErrors(reference, reference, 21).rate).toBe(0);
    expect(diarizationErrors(reference, [], 21).rate).toBe(1);
    expect(diarizationErrors([], hypothesis, 21).rate).toBe(1);
  });
});

describe('speaker word errors', () => {
  it('matches speakers so that fewest errors remain, and counts those without a match', () => {
    const reference = new Map([
      ['A', ['hello', 'there']],
      ['B', ['yes', 'of', 'course']],
    ]);
    const swapped = new Map([
      ['S0', ['yes', 'of', 'course']],
      ['S1', ['hello', 'there']],
    ]);
    expect(speakerWordErrors(reference, swapped)).toEqual({ errors: 0, words: 5 });
    expect(speakerWordErrors(reference, new Map([['S0', ['yes', 'of', 'course', 'hello', 'there']]]))).toEqual({
      errors: 4,
      words: 5,
    });
    expect(speakerWordErrors(reference, new Map([...swapped, ['S2', ['um']]]))).toEqual({ errors: 1, words: 5 });
  });
});
