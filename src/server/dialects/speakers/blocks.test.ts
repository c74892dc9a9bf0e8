import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryTranscript } from '../../../transcript/fixtures/arbitrary-transcript.ts';
import { conversation } from '../../../transcript/fixtures/conversation.ts';
import type { Transcript, Turn, Word } from '../../../transcript/types.ts';
import { speakerBlocks } from './blocks.ts';
import { renderSpeakers } from './render.ts';
import { speakersTranscriptSchema } from './schemas.ts';

type Spoken = readonly [text: string, start: number, end: number, more?: Partial<Word>];

function said(words: readonly Spoken[], turns: readonly Turn[] = [], language = 'en'): Transcript {
  const [base] = conversation.segments;
  return {
    ...conversation,
    language,
    turns,
    segments: [
      {
        ...base!,
        words: words.map(([text, start, end, more]) => ({ text, start, end, probability: 1, ...more })),
      },
    ],
  };
}

const turn = (speaker: string, start: number, end: number): Turn => ({ speaker, start, end });
const texts = (transcript: Transcript): string[] => speakerBlocks(transcript).map(({ text }) => text);

describe('speakerBlocks', () => {
  it('gives a word to the turn that contains its midpoint', () => {
    const words: Spoken[] = [
      ['one', 0, 1],
      ['two', 1, 2],
    ];
    // Most of "two" lies in the first turn's reach but its midpoint does not.
    const blocks = speakerBlocks(said(words, [turn('A', 0, 1.4), turn('B', 1.45, 2)]));
    expect(blocks).toEqual([
      { startMs: 0, endMs: 1000, speaker: 'A', text: 'one' },
      { startMs: 1000, endMs: 2000, speaker: 'B', text: 'two' },
    ]);
  });

  it('gives a word between turns to the one it overlaps most, and to nobody where there is none', () => {
    const words: Spoken[] = [
      ['mostly', 1, 2],
      ['nobody', 2.5, 3],
    ];
    const blocks = speakerBlocks(said(words, [turn('A', 0, 1.1), turn('B', 1.7, 2)]));
    expect(blocks.map(({ speaker }) => speaker)).toEqual(['B', undefined]);
  });

  it('trusts the pipeline where people talk at once', () => {
    const turns = [turn('A', 0, 3), turn('B', 0.5, 2)];
    expect(speakerBlocks(said([['hm', 1, 1.2, { speaker: 'B' }]], turns))[0]!.speaker).toBe('B');
    expect(speakerBlocks(said([['hm', 1, 1.2, { speaker: 'C' }]], turns))[0]!.speaker).toBe('A');
  });

  it('ends a block behind more than 1.5 s of silence, not at 1.5 s', () => {
    const turns = [turn('A', 0, 9)];
    expect(
      texts(
        said(
          [
            ['a', 0, 0.2],
            ['b', 1.7, 2],
          ],
          turns,
        ),
      ),
    ).toEqual(['a b']);
    expect(
      texts(
        said(
          [
            ['a', 0, 0.2],
            ['b', 1.701, 2],
          ],
          turns,
        ),
      ),
    ).toEqual(['a', 'b']);
  });

  it.each<[string, string[], string]>([
    ['words', ['good', 'morning'], 'good morning'],
    ['words with a leading space', [' good', ' morning'], 'good morning'],
    ['closing punctuation', ['Yes', ',', 'all', '(', 'of', 'us', ')', '!'], 'Yes, all ( of us)!'],
    ['quotes', ['He', 'said', '"Hello', 'there', '"', '.'], 'He said "Hello there".'],
    ['contractions', ['it', "'s", 'what', 'we', "'ll", 'do'], "it's what we'll do"],
    ['a word with an apostrophe before it', ['just', "'cause"], "just 'cause"],
  ])('joins %s', (_, words, expected) => {
    expect(texts(said(words.map((text, index): Spoken => [text, index * 0.1, index * 0.1 + 0.1])))).toEqual([expected]);
  });

  it.each(['zh', 'ja', 'th', 'lo', 'my', 'yue'])('joins %s without spaces', (language) => {
    expect(
      texts(
        said(
          [
            ['你', 0, 1],
            [' 好', 1, 2],
            ['。', 2, 3],
          ],
          [],
          language,
        ),
      ),
    ).toEqual(['你好。']);
  });

  it('keeps the space between foreign words in a language without', () => {
    const words: Spoken[] = [
      ['我用', 0, 1],
      ['Open', 1, 2],
      ['Source', 2, 3],
      ['软件', 3, 4],
    ];
    expect(texts(said(words, [], 'zh'))).toEqual(['我用Open Source软件']);
  });

  it('takes a segment as a whole where its words have no times', () => {
    const { words: _, ...segment } = conversation.segments[0]!;
    expect(speakerBlocks({ ...conversation, segments: [segment] })).toEqual([
      expect.objectContaining({ text: segment.text, speaker: 'SPEAKER_00' }),
    ]);
  });

  it('loses no word, mixes no speakers and leaves no long silence inside, whatever was said', () => {
    const turns = fc.array(
      fc
        .tuple(fc.constantFrom('A', 'B', 'C'), fc.integer({ max: 40_000, min: 0 }), fc.integer({ min: 1, max: 9000 }))
        .map(([speaker, startMs, lengthMs]) => turn(speaker, startMs / 1000, (startMs + lengthMs) / 1000)),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(arbitraryTranscript, turns, (drawn, drawnTurns) => {
        const transcript = { ...drawn, turns: drawnTurns };
        const units = transcript.segments.flatMap((segment): readonly Pick<Word, 'text' | 'start' | 'end'>[] =>
          segment.words?.length ? segment.words : [segment],
        );
        const blocks = speakerBlocks(transcript);
        const letters = (text: string): string => text.replace(/\s+/gu, '');
        expect(letters(blocks.map(({ text }) => text).join(''))).toBe(letters(units.map(({ text }) => text).join('')));
        for (const [index, block] of blocks.entries()) {
          expect(block.endMs).toBeGreaterThanOrEqual(block.startMs);
          expect(block.text).toBe(block.text.trim());
          const before = blocks[index - 1];
          if (before === undefined) continue;
          expect(block.speaker !== before.speaker || block.startMs - before.endMs > 1499).toBe(true);
        }
        for (const unit of units) {
          const middle = (unit.start + unit.end) / 2;
          const holders = drawnTurns.filter((own) => own.start <= middle && middle <= own.end);
          const startMs = Math.round(unit.start * 1000);
          if (holders.length === 0 || unit.text.trim() === '') continue;
          const block = blocks.filter((own) => own.startMs <= startMs && Math.round(unit.end * 1000) <= own.endMs);
          expect(block.some((own) => holders.some(({ speaker }) => speaker === own.speaker))).toBe(true);
        }
      }),
    );
  });
});

describe('renderSpeakers', () => {
  it('has the exact shape, with speakers numbered as they appear', () => {
    const body = renderSpeakers(conversation);
    expect(Object.keys(body)).toEqual(['duration', 'language', 'speakers_detected', 'segments', 'models']);
    expect(body.speakers_detected).toEqual(['Speaker_0', 'Speaker_1', 'Speaker_2']);
    expect(body.segments.map(({ speaker }) => speaker)).toEqual([
      'Speaker_0',
      'Speaker_1',
      'Speaker_0',
      'Speaker_unknown',
      'Speaker_2',
    ]);
    expect(body.segments[1]).toEqual({
      start_ms: 8200,
      end_ms: 10_370,
      speaker: 'Speaker_1',
      text: 'Yes. Is the sum < 5,000 dollars?',
    });
    expect(body.models).toEqual({ transcription: 'base', diarization: 'segmentation-3.0 + campplus' });
    expect(speakersTranscriptSchema.parse(body)).toEqual(body);
  });

  it('numbers those who say the first words first, and counts those without words', () => {
    const turns = [turn('silent', 0, 0.5), turn('second', 3, 4), turn('first', 1, 2)];
    const body = renderSpeakers(
      said(
        [
          ['hello', 1, 2],
          ['hi', 3, 4],
        ],
        turns,
      ),
    );
    expect(body.segments.map(({ speaker }) => speaker)).toEqual(['Speaker_0', 'Speaker_1']);
    expect(body.speakers_detected).toEqual(['Speaker_0', 'Speaker_1', 'Speaker_2']);
  });
});
