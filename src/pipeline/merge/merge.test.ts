import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecognizedChunk } from '../../transcript/recognized.ts';
import type { Turn, Word } from '../../transcript/types.ts';
import { assignSpeakers } from './assign-speakers.ts';
import { buildSegments } from './build-segments.ts';
import { smoothSpeakers } from './smooth-speakers.ts';

const word = (text: string, start: number, end: number, speaker?: string): Word => ({
  text,
  start,
  end,
  probability: 1,
  ...(speaker === undefined ? {} : { speaker }),
});

const turn = (speaker: string, start: number, end: number): Turn => ({ speaker, start, end });

function chunk(words: readonly Word[], extra: Partial<RecognizedChunk> = {}): RecognizedChunk {
  return {
    start: words[0]?.start ?? 0,
    end: words.at(-1)?.end ?? 30,
    text: words.map((own) => own.text).join(' '),
    words,
    tokens: [],
    avgLogprob: -0.3,
    temperature: 0,
    compressionRatio: 1.3,
    noSpeechProb: 0.01,
    language: 'en',
    ...extra,
  };
}

describe('assignSpeakers', () => {
  const turns = [turn('A', 0, 2), turn('B', 2, 2.3), turn('C', 5, 6)];
  const speakerOf = (start: number, end: number): string | undefined =>
    assignSpeakers([word('x', start, end)], turns)[0]!.speaker;

  it('takes the turn around the midpoint, then the longest overlap, then the nearest, then nobody', () => {
    expect(speakerOf(1, 2.8)).toBe('A');
    expect(speakerOf(1.9, 2.25)).toBe('B');
    expect(speakerOf(1.9, 3.2)).toBe('B');
    expect(speakerOf(2.6, 2.8)).toBe('B');
    expect(speakerOf(4.5, 4.8)).toBe('C');
    expect(speakerOf(3.4, 3.8)).toBeUndefined();
    expect(speakerOf(8, 9)).toBeUndefined();
  });

  it('agrees with a search through all turns', () => {
    const seconds = fc.integer({ min: 0, max: 600 }).map((tenths) => tenths / 10);
    const borders = fc.uniqueArray(seconds, { minLength: 2, maxLength: 30 }).map((all) => all.sort((a, b) => a - b));
    fc.assert(
      fc.property(borders, seconds, fc.integer({ min: 0, max: 20 }), (times, start, tenths) => {
        const exclusive = times
          .slice(1)
          .flatMap((end, index) => (index % 3 === 2 ? [] : [turn(`S${index % 2}`, times[index]!, end)]));
        const probe = word('x', start, start + tenths / 10);
        const middle = (probe.start + probe.end) / 2;
        const holder = exclusive.find((own) => own.start <= middle && middle < own.end);
        const found = assignSpeakers([probe], exclusive)[0]!.speaker;
        if (holder !== undefined) expect(found).toBe(holder.speaker);
        const nearest = Math.min(...exclusive.map((own) => Math.max(own.start - probe.end, probe.start - own.end)));
        if (nearest > 1.001) expect(found).toBeUndefined();
        if (nearest < 0.999) expect(found).toBeDefined();
      }),
    );
  });
});

describe('smoothSpeakers', () => {
  const speakers = (words: readonly Word[]): string =>
    smoothSpeakers(words)
      .map((own) => own.speaker)
      .join('');

  it('gives a lone short word inside a sentence back to its speaker', () => {
    expect(speakers([word('we', 0, 0.2, 'A'), word('are', 0.2, 0.4, 'B'), word('here.', 0.4, 0.8, 'A')])).toBe('AAA');
  });

  it('gives the last and first words of sentences back', () => {
    expect(speakers([word('how', 0, 0.2, 'A'), word('come?', 0.25, 0.6, 'B'), word('Because', 0.9, 1.2, 'B')])).toBe(
      'AAB',
    );
    expect(speakers([word('there.', 0, 0.4, 'A'), word('Then', 0.8, 1, 'A'), word('we', 1, 1.2, 'B')])).toBe('ABB');
  });

  it('knows that the English I has a capital anywhere', () => {
    expect(speakers([word('did', 0, 0.2, 'A'), word('I.', 0.25, 0.4, 'B'), word('Okay.', 0.8, 1.1, 'B')])).toBe('AAB');
  });

  it('leaves interjections, answers and pauses alone', () => {
    expect(speakers([word('there.', 0, 0.4, 'A'), word('Yes.', 0.5, 0.8, 'B'), word('And', 0.9, 1, 'A')])).toBe('ABA');
    expect(speakers([word('we', 0, 0.2, 'A'), word('No.', 0.3, 0.5, 'B'), word('I', 0.9, 1, 'B')])).toBe('ABB');
    expect(speakers([word('we', 0, 0.2, 'A'), word('mhm', 0.6, 0.8, 'B'), word('went', 1.2, 1.4, 'A')])).toBe('ABA');
  });
});

describe('buildSegments', () => {
  it('breaks at speakers, sentences and long pauses, and keeps the figures of the hypothesis', () => {
    const words = [
      word('Hello', 0, 0.5),
      word('there', 0.5, 0.9),
      word('everyone.', 0.9, 1.6),
      word('Welcome', 1.7, 2.2),
      word('back', 2.2, 2.5),
      word('again', 4.5, 5),
      word('Thanks.', 5.2, 5.8),
    ];
    const segments = buildSegments(
      [chunk(words, { tokens: [1, 2, 3, 4, 5, 6, 7, 8], tokensPerWord: [1, 1, 1, 1, 1, 1, 1] })],
      {
        turns: [turn('A', 0, 5), turn('B', 5.1, 6)],
      },
    );
    expect(segments.map(({ text, speaker, tokens }) => [text, speaker, tokens])).toEqual([
      ['Hello there everyone.', 'A', [1, 2, 3]],
      ['Welcome back', 'A', [4, 5]],
      ['again', 'A', [6]],
      ['Thanks.', 'B', [7, 8]],
    ]);
    expect(segments[0]).toMatchObject({ id: 0, avgLogprob: -0.3, compressionRatio: 1.3, noSpeechProb: 0.01 });
  });

  it('joins languages without spaces without them, and names a language that differs', () => {
    const words = ['今天', '很', '好。'].map((text, index) => ({
      ...word(text, index, index + 1),
      spaceBefore: false,
    }));
    const [segment] = buildSegments([chunk(words, { language: 'zh' })], { language: 'en' });
    expect(segment!.text).toBe('今天很好。');
    expect(segment!.language).toBe('zh');
  });

  it('works without words: sentences at proportional times, spoken by who spoke most', () => {
    const silent = chunk([], {
      start: 10,
      end: 20,
      text: 'This is one sentence. And here is another.',
      tokens: [1, 2],
    });
    const segments = buildSegments([silent], { turns: [turn('A', 9, 15.2), turn('B', 15.2, 30)] });
    expect(segments.map(({ text, speaker, words, tokens }) => [text, speaker, words, tokens])).toEqual([
      ['This is one sentence.', 'A', undefined, [1, 2]],
      ['And here is another.', 'B', undefined, []],
    ]);
    expect(segments[0]!.start).toBe(10);
    expect(segments[1]!.end).toBeCloseTo(20, 6);
  });

  it('cuts what is too long at a clause', () => {
    const words = Array.from({ length: 30 }, (_, index) => word(index === 17 ? 'so,' : 'and', index, index + 1));
    expect(
      buildSegments([chunk(words)], { limits: { maxPause: 1.5, maxLength: 20, minLength: 1 } }).map((own) => own.end),
    ).toEqual([18, 30]);
  });

  it('gives no segment for no speech', () => {
    expect(buildSegments([], { turns: [] })).toEqual([]);
    expect(buildSegments([chunk([], { text: '  ' })])).toEqual([]);
  });

  const arbitraryWord = fc.record({
    text: fc.constantFrom('word', 'end.', 'well,', 'Mr.', '好。', 'a'),
    gap: fc.integer({ min: -30, max: 300 }),
    length: fc.integer({ min: 0, max: 150 }),
  });
  const arbitraryChunks = fc
    .array(fc.record({ words: fc.array(arbitraryWord, { maxLength: 40 }), hasWords: fc.boolean() }), { maxLength: 5 })
    .map((plans) => {
      let clock = 0;
      return plans.map(({ words, hasWords }) => {
        const placed = words.map(({ text, gap, length }) => {
          const start = Math.max(0, clock + gap / 100);
          clock = start + length / 100;
          return word(text, start, clock);
        });
        const whole = chunk(placed);
        return { ...whole, start: placed[0]?.start ?? clock, end: clock, words: hasWords ? placed : [] };
      });
    });
  const arbitraryTurns = fc.array(
    fc.tuple(fc.constantFrom('A', 'B', 'C'), fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 30 })),
    {
      maxLength: 12,
    },
  );

  it('keeps all words in order, with times that never go back and never overlap', () => {
    fc.assert(
      fc.property(arbitraryChunks, arbitraryTurns, fc.boolean(), (chunks, plans, diarized) => {
        const turns = plans.map(([speaker, start, length]) => turn(speaker, start, start + length));
        const segments = buildSegments(chunks, diarized ? { turns } : {});
        const ordered = [...chunks].sort((a, b) => a.start - b.start);
        expect(
          segments
            .map((own) => own.text)
            .join('')
            .replaceAll(' ', ''),
        ).toBe(
          ordered
            .map((own) => own.text)
            .join('')
            .replaceAll(' ', ''),
        );
        for (const [index, segment] of segments.entries()) {
          expect(segment.id).toBe(index);
          expect(segment.end).toBeGreaterThanOrEqual(segment.start);
          if (index > 0) expect(segment.start).toBeGreaterThanOrEqual(segments[index - 1]!.end);
          if (!diarized) expect(segment.speaker).toBeUndefined();
          let clock = segment.start;
          for (const own of segment.words ?? []) {
            expect(own.speaker).toBe(segment.speaker);
            expect(own.start).toBeGreaterThanOrEqual(clock);
            expect(own.end).toBeGreaterThanOrEqual(own.start);
            clock = own.end;
          }
          if (segment.words !== undefined) expect(clock).toBe(segment.end);
        }
      }),
    );
  });
});
