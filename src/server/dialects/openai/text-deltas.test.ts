import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TranscriptPart } from '../../../pipeline/types.ts';
import { arbitraryTranscript } from '../../../transcript/fixtures/arbitrary-transcript.ts';
import type { Word } from '../../../transcript/types.ts';
import { joinSegmentTexts } from '../../../transcript/word-text.ts';
import { TextDeltas } from './text-deltas.ts';

function partOf(index: number, text: string, words: readonly Word[] = []): TranscriptPart {
  return { index, start: index, end: index + 1, text, language: 'en', words, avgLogprob: -0.1 };
}

const told = (deltas: TextDeltas, ...parts: TranscriptPart[]): (string | undefined)[] =>
  parts.map((part) => deltas.add(part)?.delta);

describe('TextDeltas', () => {
  it('puts a space between parts, and none where the script has none', () => {
    expect(told(new TextDeltas(), partOf(0, 'Good morning.'), partOf(1, 'Shall we?'))).toEqual([
      'Good morning.',
      ' Shall we?',
    ]);
    expect(told(new TextDeltas(), partOf(0, '今天我们先讨论。'), partOf(1, '谢谢大家！'))).toEqual([
      '今天我们先讨论。',
      '谢谢大家！',
    ]);
    expect(told(new TextDeltas(), partOf(0, '谢谢𠮷'), partOf(1, '谢谢'))).toEqual(['谢谢𠮷', '谢谢']);
  });

  it('tells nothing of silence, and nothing twice', () => {
    const deltas = new TextDeltas();
    expect(told(deltas, partOf(0, ''), partOf(1, 'One.'), partOf(1, 'One!'), partOf(0, 'Zero.'))).toEqual([
      undefined,
      'One.',
      undefined,
      undefined,
    ]);
    expect(deltas.text).toBe('One.');
  });

  it('adds what the whole text has beyond the parts, and never takes anything back', () => {
    const deltas = new TextDeltas();
    expect(deltas.complete('All of it.')?.delta).toBe('All of it.');
    deltas.add(partOf(0, 'More.'));
    expect(deltas.complete('All of it. More. And more.')?.delta).toBe(' And more.');
    expect(deltas.complete('Something else.')).toBeUndefined();
    expect(deltas.text).toBe('All of it. More. And more.');
  });

  it('tells the text of any transcript that comes segment by segment, and log-probabilities of the same text', () => {
    fc.assert(
      fc.property(arbitraryTranscript, ({ segments }) => {
        const deltas = new TextDeltas();
        const parts = segments.map(({ text, words }, index) => partOf(index, text, words ?? []));
        expect(told(deltas, ...parts).join('')).toBe(joinSegmentTexts(segments));
        if (segments.every(({ words }) => words !== undefined)) {
          expect(deltas.logprobs.map(({ token }) => token).join('')).toBe(deltas.text);
        }
      }),
    );
  });
});
