import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryTranscript } from '../../../transcript/fixtures/arbitrary-transcript.ts';
import { conversation } from '../../../transcript/fixtures/conversation.ts';
import type { Transcript } from '../../../transcript/types.ts';
import { renderAnswer } from './render.ts';
import {
  diarizedTranscriptionSchema,
  jsonTranscriptionSchema,
  type ResponseFormat,
  verboseTranscriptionSchema,
} from './schemas.ts';
import { letterLabels } from './speaker-labels.ts';
import type { Output } from './transcription-request.ts';

const NOBODY = new Set<string>();
const all: Omit<Output, 'format'> = { segments: true, words: true, logprobs: true };
const plain: Omit<Output, 'format'> = { segments: false, words: false, logprobs: false };

function body(transcript: Transcript, output: Output, names = NOBODY): Record<string, unknown> {
  return JSON.parse(renderAnswer(transcript, output, names).body) as Record<string, unknown>;
}

describe('renderAnswer', () => {
  it('gives json the text, the languages and the length, and nothing more', () => {
    expect(body({ ...conversation, warnings: [], speakers: [] }, { format: 'json', ...plain })).toEqual({
      text: conversation.text,
      languages: [{ code: 'en' }, { code: 'zh' }],
      usage: { type: 'duration', seconds: 25 },
    });
  });

  it('names what was not done in full', () => {
    expect(body(conversation, { format: 'json', ...plain }).warnings).toEqual(conversation.warnings);
  });

  it('gives verbose_json the figures of each segment and the full name of the language', () => {
    const verbose = body(conversation, { format: 'verbose_json', ...all });
    expect(verbose).toMatchObject({ task: 'transcribe', language: 'english', duration: 25 });
    expect((verbose.segments as unknown[])[1]).toEqual({
      id: 1,
      seek: 820,
      start: 8.2,
      end: 8.47,
      text: 'Yes.',
      tokens: [441, 13],
      temperature: 0,
      avg_logprob: -0.2134,
      compression_ratio: 1.42,
      no_speech_prob: 0.0123,
      speaker: 'SPEAKER_01',
      speaker_id: 'SPEAKER_01',
    });
    expect((verbose.words as unknown[])[0]).toEqual({
      word: 'Good',
      start: 0.5,
      end: 0.763,
      speaker: 'SPEAKER_00',
    });
    expect(verbose.usage).toEqual({ type: 'duration', seconds: 25 });
  });

  it('says english of a translation, and undetermined where nobody speaks', () => {
    const output: Output = { format: 'verbose_json', ...plain };
    expect(body({ ...conversation, task: 'translate', language: 'de' }, output).language).toBe('english');
    expect(body({ ...conversation, language: null }, output).language).toBe('undetermined');
    expect(body({ ...conversation, task: 'translate' }, { format: 'json', ...plain })).not.toHaveProperty('languages');
  });

  it('labels speakers A, B … in diarized_json', () => {
    const { segments, task, text } = body(conversation, { format: 'diarized_json', ...plain });
    expect([task, text]).toEqual(['transcribe', conversation.text]);
    expect((segments as { speaker: string }[]).map(({ speaker }) => speaker)).toEqual([
      'A',
      'B',
      'B',
      'A',
      'unknown',
      'C',
    ]);
    expect((segments as object[])[1]).toEqual({
      type: 'transcript.text.segment',
      id: 'seg_001',
      start: 8.2,
      end: 8.47,
      text: 'Yes.',
      speaker: 'B',
    });
  });

  it('gives embeddings by the labels that the body has', () => {
    const rendered = body(conversation, { format: 'diarized_json', ...plain });
    expect(rendered.speaker_embeddings).toEqual({ A: [0.6, 0.8] });
    expect(rendered).toMatchObject({
      speaker_embedding_dimension: 2,
      speaker_embedding_model: 'segmentation-3.0 + campplus',
    });
    expect(body(conversation, { format: 'verbose_json', ...plain }).speaker_embeddings).toEqual({
      SPEAKER_00: [0.6, 0.8],
    });
  });

  it('is text on one line, or by speaker where speakers were asked for', () => {
    const text = renderAnswer(conversation, { format: 'text', ...plain }, NOBODY);
    expect(text).toEqual({ contentType: 'text/plain; charset=utf-8', body: `${conversation.text}\n` });
    expect(renderAnswer(conversation, { format: 'text', ...plain, segments: true }, NOBODY).body).toContain(
      'SPEAKER_01: Yes.',
    );
  });

  it('is subtitles', () => {
    expect(renderAnswer(conversation, { format: 'srt', ...plain }, NOBODY).body).toMatch(/^1\n00:00:00,500 --> /);
    const vtt = renderAnswer(conversation, { format: 'vtt', ...plain }, NOBODY);
    expect([vtt.contentType, vtt.body.slice(0, 7)]).toEqual(['text/vtt; charset=utf-8', 'WEBVTT\n']);
  });

  it('writes bodies that their schemas know, whatever the transcript', () => {
    const schemas = {
      json: jsonTranscriptionSchema.strict(),
      verbose_json: verboseTranscriptionSchema.strict(),
      diarized_json: diarizedTranscriptionSchema.strict(),
    };
    fc.assert(
      fc.property(
        arbitraryTranscript,
        fc.constantFrom(...(Object.keys(schemas) as (keyof typeof schemas)[])),
        (transcript, format) => {
          const rendered = body(transcript, { format, ...all });
          expect(schemas[format].parse(rendered)).toEqual(rendered);
        },
      ),
    );
  });

  it('never lets NaN or Infinity into JSON', () => {
    const [first] = conversation.segments;
    const broken: Transcript = {
      ...conversation,
      duration: Number.NaN,
      segments: [
        {
          ...first!,
          start: Number.NaN,
          end: Number.POSITIVE_INFINITY,
          avgLogprob: Number.NEGATIVE_INFINITY,
          noSpeechProb: Number.NaN,
          words: [{ text: 'Good', start: Number.NaN, end: Number.NaN, probability: Number.NaN }],
        },
      ],
      speakers: [{ label: 'SPEAKER_00', seconds: 1, embedding: [Number.NaN] }],
    };
    for (const format of ['json', 'verbose_json', 'diarized_json'] satisfies ResponseFormat[]) {
      expect(renderAnswer(broken, { format, ...all }, NOBODY).body).not.toMatch(/null|NaN|Infinity/);
    }
  });

  it('gives log-probabilities whose tokens are the text', () => {
    const { logprobs } = body(conversation, { format: 'json', ...plain, logprobs: true }) as {
      logprobs: { token: string; logprob: number; bytes: number[] }[];
    };
    const timed = conversation.segments.slice(0, 5).map(({ text }) => text);
    expect(logprobs.map(({ token }) => token).join('')).toBe(timed.join(' '));
    expect(logprobs[1]).toEqual({ token: ' morning,', logprob: -0.105361, bytes: [...Buffer.from(' morning,')] });
  });
});

describe('letterLabels', () => {
  const transcriptOf = (...labels: string[]): Transcript => ({
    ...conversation,
    speakers: [],
    segments: labels.map((speaker, id) => ({ ...conversation.segments[0]!, id, speaker })),
  });

  it('echoes known names and gives no stranger one', () => {
    const labels = letterLabels(transcriptOf('SPEAKER_01', 'B', 'SPEAKER_00', 'SPEAKER_02'), new Set(['A', 'B']));
    expect(Object.fromEntries(labels)).toEqual({ SPEAKER_01: 'C', B: 'B', SPEAKER_00: 'D', SPEAKER_02: 'E' });
  });

  it('goes on with two letters after Z, and never gives a label twice', () => {
    const many = Array.from({ length: 60 }, (_, index) => `SPEAKER_${index}`);
    const labels = [...letterLabels(transcriptOf(...many), new Set(['AB'])).values()];
    expect(labels.slice(24, 30)).toEqual(['Y', 'Z', 'AA', 'AC', 'AD', 'AE']);
    expect(new Set(labels).size).toBe(60);
  });
});
