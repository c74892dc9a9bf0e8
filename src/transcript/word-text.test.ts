import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { breakableParts, joinSegmentTexts, joinWords, singleLine } from './word-text.ts';

describe('breakableParts', () => {
  it('joins back to the same text, whatever the script', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => {
        expect(joinWords(breakableParts(text))).toBe(singleLine(text));
      }),
    );
  });

  it('breaks Chinese at words and keeps punctuation with them', () => {
    const parts = breakableParts('今天（星期一）很好。你好').map((part) => part.text);
    expect(parts.length).toBeGreaterThan(3);
    for (const part of parts) expect(part).not.toMatch(/^[）。]/);
    for (const part of parts) expect(part).not.toMatch(/（$/);
  });
});

describe('joinSegmentTexts', () => {
  it('puts a space between sentences, but not between Chinese ones', () => {
    expect(joinSegmentTexts([{ text: 'One.' }, { text: 'Two.' }])).toBe('One. Two.');
    expect(joinSegmentTexts([{ text: '你好。' }, { text: '谢谢。' }])).toBe('你好。谢谢。');
    expect(joinSegmentTexts([{ text: '你好。' }, { text: 'OK.' }])).toBe('你好。 OK.');
    expect(joinSegmentTexts([{ text: 'a' }, { text: 'b', words: [{ text: 'b', spaceBefore: false }] }])).toBe('ab');
  });
});
