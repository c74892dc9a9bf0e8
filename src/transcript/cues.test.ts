import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_CUE_RULES } from './cue.ts';
import { buildCues } from './cues.ts';
import { displayWidth } from './display-width.ts';
import { arbitraryTranscript } from './fixtures/arbitrary-transcript.ts';
import type { Segment } from './types.ts';
import { joinWords } from './word-text.ts';

const rules = DEFAULT_CUE_RULES;
const bare = { tokens: [], temperature: 0, avgLogprob: 0, compressionRatio: 1, noSpeechProb: 0 };

function spoken(text: string, start: number, end: number, speaker?: string): Segment {
  return { id: 0, start, end, text, ...(speaker === undefined ? {} : { speaker }), ...bare };
}

const textOf = (cue: { lines: readonly (readonly { text: string; spaceBefore: boolean }[])[] }): string =>
  cue.lines.map((line) => joinWords(line)).join(' | ');

describe('buildCues', () => {
  it('never overlaps, never shows nothing, and follows the order of the recording', () => {
    fc.assert(
      fc.property(arbitraryTranscript, ({ segments, duration }) => {
        const cues = buildCues(segments, duration);
        for (const [index, cue] of cues.entries()) {
          expect(Number.isInteger(cue.startMs) && Number.isInteger(cue.endMs)).toBe(true);
          expect(cue.endMs).toBeGreaterThan(cue.startMs);
          if (index > 0) expect(cue.startMs).toBeGreaterThanOrEqual(cues[index - 1]!.endMs);
        }
      }),
    );
  });

  it('keeps every word, in order', () => {
    fc.assert(
      fc.property(arbitraryTranscript, ({ segments, duration }) => {
        const cues = buildCues(segments, duration);
        const shown = cues
          .map((cue) =>
            cue.lines
              .flat()
              .map((token) => token.text)
              .join(''),
          )
          .join('');
        expect(shown).toBe(segments.map((segment) => segment.text.replaceAll(' ', '')).join(''));
      }),
    );
  });

  it('keeps lines and durations within the rules unless one word alone breaks them', () => {
    fc.assert(
      fc.property(arbitraryTranscript, ({ segments, duration }) => {
        for (const cue of buildCues(segments, duration)) {
          const tokens = cue.lines.flat();
          const widest = Math.max(...tokens.map((token) => token.width));
          if (widest <= rules.maxLineWidth) expect(cue.lines.length).toBeLessThanOrEqual(rules.maxLines);
          for (const line of cue.lines) {
            if (line.length > 1) expect(displayWidth(joinWords(line))).toBeLessThanOrEqual(rules.maxLineWidth);
          }
          if (tokens.length > 1) expect(cue.endMs - cue.startMs).toBeLessThanOrEqual(rules.maxDurationMs);
        }
      }),
    );
  });

  it('breaks at clauses and balances lines', () => {
    const text = 'When the meeting was over, everybody went home and had a long and quiet evening with a book.';
    const cues = buildCues([spoken(text, 0, 6)], 10);
    expect(cues.map(textOf)).toEqual([
      'When the meeting was over,',
      'everybody went home and had a long | and quiet evening with a book.',
    ]);
  });

  it('holds a short cue on screen, up to the next one less a gap', () => {
    const alone = buildCues([spoken('Yes.', 1, 1.2)], 10);
    expect([alone[0]!.startMs, alone[0]!.endMs]).toEqual([1000, 1700]);
    const followed = buildCues([spoken('Yes, of course I do.', 1, 1.8, 'A'), spoken('No.', 2, 3, 'B')], 10);
    expect(followed[0]!.endMs).toBe(2000 - rules.minGapMs);
  });

  it('ends a cue where a long silence begins', () => {
    const word = (text: string, start: number) => ({ text, start, end: start + 0.3, probability: 1 });
    const segment = { ...spoken('one two', 0, 3), words: [word('one', 0), word('two', 2.5)] };
    expect(buildCues([segment], 10).map(textOf)).toEqual(['one', 'two']);
  });

  it('counts a Chinese character as two columns', () => {
    const cues = buildCues(
      [spoken('我们今天要讨论的是关于公司明年的预算以及发展计划的问题请大家注意听一下谢谢大家', 0, 7)],
      10,
    );
    const lines = cues.flatMap((cue) => cue.lines.map((line) => joinWords(line)));
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect([...line].length).toBeLessThanOrEqual(21);
  });

  it('leaves room for the name of a speaker on the line that shows it', () => {
    const text = 'This sentence is just long enough to fill it.';
    const withName = buildCues([spoken(text, 0, 4, 'A')], 10, rules, () => 12);
    expect(withName[0]!.lines.length).toBe(2);
    expect(displayWidth(joinWords(withName[0]!.lines[0]!)) + 12).toBeLessThanOrEqual(rules.maxLineWidth);
  });
});
