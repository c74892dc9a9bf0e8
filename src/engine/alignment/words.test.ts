import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Word } from '../../transcript/types.ts';
import { buildWords, type ChunkPiece, placeWords } from './words.ts';

type Timing = readonly [text: string, start: number, end: number];

/** Words of groups with one token each; a group ends where the next begins. */
function build(
  timings: readonly Timing[],
  duration: number,
  options: { spaced?: boolean; pauseBefore?: number } = {},
): Word[] {
  return buildWords({
    groups: timings.map(([text], index) => ({ text, tokens: [index] })),
    boundaries: [...timings.map(([, start]) => start), timings.at(-1)?.[2] ?? 0],
    probabilities: timings.map(() => 0.5),
    duration,
    spaced: options.spaced ?? true,
    pauseBefore: options.pauseBefore ?? 0,
  });
}

const shown = (words: readonly Word[]): Timing[] => words.map(({ text, start, end }) => [text, start, end] as const);

describe('buildWords', () => {
  // Computed with faster-whisper 1.2.1 `WhisperModel.add_word_timestamps` on the same alignment.
  it.each<{ name: string; duration: number; aligned: Timing[]; expected: Timing[] }>([
    {
      name: 'a full stop drawn over a pause',
      duration: 5,
      aligned: [
        [' Hello', 0.1, 0.5],
        [',', 0.5, 0.6],
        [' world', 0.6, 1],
        ['.', 1, 4],
        [' Then', 4, 4.3],
        [' again', 4.3, 4.7],
        ['.', 4.7, 4.8],
      ],
      expected: [
        ['Hello,', 0.1, 0.5],
        ['world.', 0.6, 1],
        ['Then', 4, 4.3],
        ['again.', 4.3, 4.7],
      ],
    },
    {
      name: 'a sentence that begins in the pause before it',
      duration: 8,
      aligned: [
        [' Well', 0.1, 0.4],
        ['.', 0.4, 0.5],
        [' After', 0.5, 7],
        [' that', 7, 7.4],
      ],
      expected: [
        ['Well.', 0.1, 0.4],
        ['After', 6.3, 7],
        ['that', 7, 7.4],
      ],
    },
    {
      name: 'a first word that reaches back to the start',
      duration: 6.5,
      aligned: [
        [' Yes', 0, 6],
        [' I', 6, 6.2],
        [' do', 6.2, 6.5],
      ],
      expected: [
        ['Yes', 5.4, 6],
        ['I', 6, 6.2],
        ['do', 6.2, 6.5],
      ],
    },
    {
      name: 'a last word that reaches past the end',
      duration: 1.5,
      aligned: [
        [' one', 0.2, 0.5],
        [' two', 0.5, 0.8],
        [' three', 0.8, 4],
      ],
      expected: [
        ['one', 0.2, 0.5],
        ['two', 0.5, 0.8],
        ['three', 0.8, 1.5],
      ],
    },
    {
      name: 'brackets, quotes and hyphens',
      duration: 2,
      aligned: [
        [' (', 0, 0.1],
        [' ok', 0.1, 0.4],
        [')', 0.4, 0.5],
        ['.', 0.5, 0.6],
        [' "', 0.6, 0.7],
        [' quoted', 0.7, 1.2],
        ['"', 1.2, 1.3],
        [' twenty', 1.3, 1.6],
        ['-one', 1.6, 2],
      ],
      expected: [
        ['( ok).', 0.1, 0.4],
        ['" quoted"', 0.7, 1.2],
        ['twenty', 1.3, 1.6],
        ['-one', 1.6, 2],
      ],
    },
  ])('treats $name as the reference does', ({ duration, aligned, expected }) => {
    expect(shown(build(aligned, duration))).toEqual(expected);
  });

  it('says which words follow without a space', () => {
    const glued = build(
      [
        [' twenty', 0, 0.3],
        ['-one', 0.3, 0.6],
        [' is', 0.6, 0.8],
      ],
      1,
    );
    expect(glued.map(({ spaceBefore }) => spaceBefore)).toEqual([undefined, false, undefined]);
    const chinese = build(
      [
        ['今天', 0, 0.3],
        ['好', 0.3, 0.6],
        ['。', 0.6, 0.7],
        [' OK', 0.7, 0.9],
      ],
      1,
      { spaced: false },
    );
    expect(chinese.map(({ text, spaceBefore }) => [text, spaceBefore])).toEqual([
      ['今天', false],
      ['好。', false],
      ['OK', undefined],
    ]);
    // A chunk's first word follows another chunk's last.
    expect(build([['Hello', 0, 0.3]], 1)[0]!.spaceBefore).toBeUndefined();
    expect(build([[' 今天', 0, 0.3]], 1, { spaced: false })[0]!.spaceBefore).toBe(false);
  });

  it('leaves a first word long where speech went on right before it', () => {
    const aligned: Timing[] = [
      [' so', 0, 0.9],
      [' we', 0.9, 1.1],
      [' go', 1.1, 1.4],
    ];
    expect(build(aligned, 2)[0]).toMatchObject({ start: 0, end: 0.9 });
    expect(build(aligned, 2, { pauseBefore: 5 })[0]!.start).toBeCloseTo(0.3);
  });

  const text = fc.constantFrom(
    ' the',
    ' word',
    '.',
    ',',
    ' "',
    '"',
    ' (',
    ')',
    '-one',
    ' ',
    '',
    '好',
    '。',
    '\u{fffd}',
  );
  const group = fc.record({ text, length: fc.integer({ min: 1, max: 3 }), frames: fc.nat({ max: 300 }) });

  it('keeps words trimmed, ascending, apart and inside the chunk, whatever was aligned', () => {
    fc.assert(
      fc.property(
        fc.array(group, { maxLength: 20 }),
        fc.double({ min: 0.01, max: 30, noNaN: true }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        fc.boolean(),
        (groups, duration, pauseBefore, spaced) => {
          const boundaries = [0];
          for (const { length, frames } of groups) {
            for (let token = 0; token < length; token++) boundaries.push(boundaries.at(-1)! + frames / length / 50);
          }
          const words = buildWords({
            groups: groups.map((each) => ({ text: each.text, tokens: Array(each.length).fill(1) })),
            boundaries,
            probabilities: boundaries.slice(1).map((_, index) => (index % 11) / 10),
            duration,
            pauseBefore,
            spaced,
          });
          let earliest = 0;
          for (const word of words) {
            expect(word.text).toBe(word.text.trim());
            expect(word.text).not.toBe('');
            expect(word.start).toBeGreaterThanOrEqual(earliest);
            expect(word.end).toBeGreaterThanOrEqual(word.start);
            expect(word.end).toBeLessThanOrEqual(duration);
            expect(word.probability).toBeGreaterThanOrEqual(0);
            expect(word.probability).toBeLessThanOrEqual(1);
            earliest = word.end;
          }
          const letters = (strings: readonly string[]): string => strings.join('').replaceAll(' ', '');
          expect(letters(words.map((word) => word.text))).toBe(letters(groups.map((each) => each.text)));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('placeWords', () => {
  const pieces: ChunkPiece[] = [
    { chunkStart: 0, start: 10, duration: 2 },
    { chunkStart: 2, start: 20.5, duration: 3 },
  ];

  it('moves each word into the piece that holds its middle', () => {
    const words = build(
      [
        [' a', 0.5, 1],
        [' b', 1, 2.1],
        [' c', 2.1, 3],
        [' d', 3, 5],
      ],
      5,
    );
    expect(shown(placeWords(words, pieces))).toEqual([
      ['a', 10.5, 11],
      ['b', 11, 12],
      ['c', 20.6, 21.5],
      ['d', 21.5, 23.5],
    ]);
    expect(placeWords(words, [])).toEqual(words);
  });

  it('keeps words ascending and inside the pieces', () => {
    const stretch = fc.record({ gap: fc.nat({ max: 5000 }), length: fc.integer({ min: 1, max: 5000 }) });
    const times = fc.array(fc.nat({ max: 20_000 }), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(stretch, { minLength: 1, maxLength: 5 }), times, (stretches, milliseconds) => {
        let chunkStart = 0;
        let start = 0;
        const placed = stretches.map(({ gap, length }) => {
          start += gap / 1000;
          const piece = { chunkStart, start, duration: length / 1000 };
          chunkStart += piece.duration;
          start += piece.duration;
          return piece;
        });
        const ascending = milliseconds.map((time) => Math.min(time / 1000, chunkStart)).sort((a, b) => a - b);
        const words = ascending
          .slice(1)
          .map((end, index) => ({ text: 'x', start: ascending[index]!, end, probability: 1 }));
        let earliest = 0;
        for (const word of placeWords(words, placed)) {
          expect(word.start).toBeGreaterThanOrEqual(earliest - 1e-9);
          expect(word.end).toBeGreaterThanOrEqual(word.start);
          expect(
            placed.some((piece) => word.start >= piece.start - 6e-4 && word.end <= piece.start + piece.duration + 1e-9),
          ).toBe(true);
          earliest = word.end;
        }
      }),
      { numRuns: 300 },
    );
  });
});
