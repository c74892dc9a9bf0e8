import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attachmentOf } from './attachment.ts';

describe('attachmentOf', () => {
  it.each([
    ['meeting.mp3', 'srt', 'attachment; filename="meeting.srt"'],
    ['audio_file', 'srt', 'attachment; filename="audio_file.srt"'],
    ['', 'txt', 'attachment; filename="transcript.txt"'],
    ['.mp3', 'txt', 'attachment; filename=".mp3.txt"'],
    ['../../etc/passwd', 'txt', 'attachment; filename="passwd.txt"'],
    ['C:\\talks\\a b.wav', 'vtt', 'attachment; filename="a b.vtt"'],
    [
      'Besprechung Köln.m4a',
      'srt',
      `attachment; filename="Besprechung K_ln.srt"; filename*=UTF-8''Besprechung%20K%C3%B6ln.srt`,
    ],
    ['a";x=1.mp3', 'srt', `attachment; filename="a__x=1.srt"; filename*=UTF-8''a%22%3Bx%3D1.srt`],
    ['a\r\nSet-Cookie: b.mp3', 'srt', 'attachment; filename="aSet-Cookie: b.srt"'],
  ])('offers %j as %s', (name, extension, expected) => {
    expect(attachmentOf(name, extension)).toBe(expected);
  });

  it('makes one well-formed header of any name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (name) => {
        const header = attachmentOf(name, 'srt');
        expect(header).toMatch(/^attachment; filename="[^"\\%\r\n;]+\.srt"(; filename\*=UTF-8''[\w!#$&+.^`|~%-]+)?$/);
        expect(header.length).toBeLessThan(1200);
      }),
    );
  });
});
