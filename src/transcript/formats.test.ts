import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiaristError } from '../core/errors.ts';
import { arbitraryTranscript } from './fixtures/arbitrary-transcript.ts';
import { conversation } from './fixtures/conversation.ts';
import { json, toJsonTranscript } from './formats/json.ts';
import { rttm } from './formats/rttm.ts';
import { srt } from './formats/srt.ts';
import { tsv } from './formats/tsv.ts';
import { txt } from './formats/txt.ts';
import { vtt } from './formats/vtt.ts';
import { FORMAT_NAMES, findFormat, renderTranscript } from './formats.ts';
import type { Segment, Transcript } from './types.ts';
import { singleLine } from './word-text.ts';

const golden = (name: string): string => readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8');
const withoutSpaces = (text: string): string => text.replace(/\s/g, '');
const textOf = (transcript: Transcript): string => withoutSpaces(transcript.segments.map((own) => own.text).join(''));

describe('golden files', () => {
  it.each(FORMAT_NAMES)('%s', (format) => {
    expect(renderTranscript(conversation, format, { recordingName: 'meeting' })).toBe(golden(`conversation.${format}`));
  });

  it('word highlighting and times', () => {
    expect(renderTranscript(conversation, 'srt', { highlightWords: true })).toBe(
      golden('conversation.highlighted.srt'),
    );
    expect(renderTranscript(conversation, 'vtt', { highlightWords: true, speakers: false })).toBe(
      golden('conversation.highlighted.vtt'),
    );
    expect(renderTranscript(conversation, 'txt', { times: true })).toBe(golden('conversation.times.txt'));
  });
});

describe('round trips', () => {
  it('json gives the transcript back, and a second rendering the same bytes', () => {
    fc.assert(
      fc.property(arbitraryTranscript, (transcript) => {
        const text = json.render(transcript);
        expect(json.parse(text)).toEqual(toJsonTranscript(transcript));
        expect(json.render(json.parse(text))).toBe(text);
      }),
    );
  });

  it('srt and vtt keep every word and the speakers; times never overlap', () => {
    fc.assert(
      fc.property(arbitraryTranscript, fc.boolean(), (transcript, highlightWords) => {
        const voices = vtt.parse(vtt.render(transcript, { highlightWords }));
        expect(withoutSpaces(voices.map((cue) => cue.text).join(''))).toBe(textOf(transcript));
        const plain = srt.parse(srt.render(transcript));
        expect(withoutSpaces(plain.map((cue) => cue.text).join(''))).toBe(textOf(transcript));
        const named = plain.flatMap((cue) => cue.speaker ?? []);
        expect(named).toEqual(
          transcript.segments
            .map((own) => own.speaker)
            .filter(isNew)
            .flatMap((own) => own ?? []),
        );
        for (const cues of [voices, plain, srt.parse(srt.render(transcript, { highlightWords }))]) {
          for (const [index, cue] of cues.entries()) {
            expect(cue.end).toBeGreaterThan(cue.start);
            if (index > 0) expect(cue.start).toBeGreaterThanOrEqual(cues[index - 1]!.end);
          }
        }
        expect(voices.map((cue) => cue.speaker).filter(isNew)).toEqual(
          transcript.segments.map((own) => own.speaker).filter(isNew),
        );
      }),
    );
  });

  it('tsv keeps times to the millisecond, text and speakers', () => {
    fc.assert(
      fc.property(arbitraryTranscript, (transcript) => {
        expect(tsv.parse(tsv.render(transcript))).toEqual(
          transcript.segments.map(({ start, end, text, speaker }) => ({
            start,
            end,
            text: singleLine(text),
            ...(speaker === undefined ? {} : { speaker }),
          })),
        );
      }),
    );
  });

  it('txt keeps the text, and with times the speakers’ blocks', () => {
    fc.assert(
      fc.property(arbitraryTranscript, fc.boolean(), fc.boolean(), (transcript, times, speakers) => {
        const lines = txt.parse(txt.render(transcript, { times, speakers }));
        expect(withoutSpaces(lines.map((line) => line.text).join(''))).toBe(textOf(transcript));
        if (speakers && transcript.speakers.length > 0)
          expect(lines.map((line) => line.speaker)).toEqual(
            transcript.segments.map((own) => own.speaker).filter(isNew),
          );
        if (times) expect(lines[0]?.start).toBe(transcript.segments[0]?.start);
      }),
    );
  });

  it('rttm keeps turns to the millisecond', () => {
    fc.assert(
      fc.property(arbitraryTranscript, (transcript) => {
        expect(rttm.parse(rttm.render(transcript))).toEqual(transcript.turns);
      }),
    );
  });
});

/** Keeps the first of equal neighbours. */
function isNew<T>(value: T, index: number, all: readonly T[]): boolean {
  return index === 0 || all[index - 1] !== value;
}

describe('json', () => {
  const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(
    JSON.parse(readFileSync(new URL('../../schema/transcript-1.schema.json', import.meta.url), 'utf8')),
  );

  it('is valid by the published schema', () => {
    fc.assert(
      fc.property(fc.oneof(fc.constant(conversation), arbitraryTranscript), (transcript) => {
        expect(validate(JSON.parse(json.render(transcript))), JSON.stringify(validate.errors)).toBe(true);
      }),
    );
  });

  it('never holds NaN, Infinity or null for a number', () => {
    const poisoned = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, 2);
    fc.assert(
      fc.property(fc.array(poisoned, { minLength: 8, maxLength: 8 }), (values) => {
        const [a, b, c, d, e, f, g, h] = values as [number, number, number, number, number, number, number, number];
        const segment: Segment = {
          ...conversation.segments[0]!,
          start: a,
          end: b,
          avgLogprob: c,
          compressionRatio: d,
          noSpeechProb: e,
          temperature: f,
          words: [{ text: 'x', start: g, end: h, probability: a }],
        };
        const text = json.render({
          ...conversation,
          duration: a,
          languageProbability: b,
          segments: [segment],
          turns: [{ start: c, end: d, speaker: 'S' }],
          speakers: [{ label: 'S', seconds: e, embedding: [f, g] }],
          timings: { total: h },
        });
        expect(validate(JSON.parse(text)), JSON.stringify(validate.errors)).toBe(true);
      }),
    );
  });
});

describe('reading what others write', () => {
  it('srt with carriage returns, without numbers and with a byte order mark', () => {
    expect(
      srt.parse(
        '\uFEFF00:00:01,000 --> 00:00:02,500\r\nHello\r\nthere\r\n\r\n2\r\n01:00:00,000 --> 01:00:01,000\r\nBye\r\n',
      ),
    ).toEqual([
      { start: 1, end: 2.5, text: 'Hello\nthere' },
      { start: 3600, end: 3601, text: 'Bye' },
    ]);
  });

  it('vtt with identifiers, notes, settings, short times, classes and entities', () => {
    const text = `WEBVTT - a title

NOTE not shown

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.000 align:start position:10%
<v.loud Anna &amp; Bob><i>Hi</i> &lt;you&gt;</v>
`;
    expect(vtt.parse(text)).toEqual([{ start: 1, end: 2, text: 'Hi <you>', speaker: 'Anna & Bob' }]);
  });

  it('rttm with comments and other lines', () => {
    const text =
      ';; comment\nSPKR-INFO x 1 <NA> <NA> <NA> unknown A <NA> <NA>\nSPEAKER x 1 0.10 0.2 <NA> <NA> A <NA> <NA>\n';
    expect(rttm.parse(text)).toEqual([{ start: 0.1, end: 0.3, speaker: 'A' }]);
  });

  it('refuses what is another kind of file in one sentence', () => {
    for (const format of [srt, vtt, tsv, json]) {
      expect(() => format.parse('Dear diary,\n\ntoday was fine.')).toThrow(DiaristError);
    }
  });
});

describe('names', () => {
  it('finds formats as people write them', () => {
    expect(['JSON', '.srt', 'webvtt', 'text'].map((name) => findFormat(name).name)).toEqual([
      'json',
      'srt',
      'vtt',
      'txt',
    ]);
  });

  it('suggests the nearest name', () => {
    expect(() => findFormat('srtt')).toThrow('There is no format "srtt": did you mean srt?');
    expect(() => findFormat('docx')).toThrow('use json, srt, vtt, tsv, txt and rttm.');
    expect(() => findFormat('constructor')).toThrow(DiaristError);
  });

  it('keeps a speaker name that needs escaping', () => {
    const segment = { ...conversation.segments[1]!, speaker: 'R&D <lead>' };
    const text = vtt.render({ ...conversation, segments: [segment] });
    expect(text).toContain('<v R&amp;D &lt;lead&gt;>');
    expect(vtt.parse(text)[0]!.speaker).toBe('R&D <lead>');
  });
});
