import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryTranscript } from '../../../transcript/fixtures/arbitrary-transcript.ts';
import { conversation } from '../../../transcript/fixtures/conversation.ts';
import type { Transcript } from '../../../transcript/types.ts';
import { renderAsr, renderDetectedLanguage } from './render.ts';
import { asrTranscriptSchema, detectedLanguageSchema } from './schemas.ts';

const plain = { textAsSegments: false, speakerEmbeddings: false };

describe('renderAsr', () => {
  it('has the shape that whisperx clients read, with a string as text', () => {
    const body = renderAsr(conversation, plain);
    expect(Object.keys(body)).toEqual(['text', 'language', 'duration', 'segments', 'word_segments', 'warnings']);
    expect(body.text).toBe(conversation.text);
    expect(body.language).toBe('en');
    expect(body.segments[1]).toEqual({
      start: 8.2,
      end: 8.47,
      text: 'Yes.',
      speaker: 'SPEAKER_01',
      words: [{ word: 'Yes.', start: 8.2, end: 8.47, score: 0.9, speaker: 'SPEAKER_01' }],
    });
    expect(body.segments[4]).not.toHaveProperty('speaker');
    expect(body.segments[5]).not.toHaveProperty('words');
    expect(body.word_segments).toEqual(body.segments.flatMap(({ words }) => words ?? []));
    expect(body.warnings).toEqual(conversation.warnings);
  });

  it('puts the segments into text for those who read them there', () => {
    const body = renderAsr(conversation, { ...plain, textAsSegments: true });
    expect(body.text).toEqual(body.segments);
  });

  it('gives embeddings by the labels of the segments, with what made them', () => {
    const body = renderAsr(conversation, { ...plain, speakerEmbeddings: true });
    expect(body).toMatchObject({
      speaker_embeddings: { SPEAKER_00: [0.6, 0.8] },
      speaker_embedding_model: 'segmentation-3.0 + campplus',
      speaker_embedding_dimension: 2,
    });
    const labels = new Set(body.segments.map(({ speaker }) => speaker));
    for (const label of Object.keys(body.speaker_embeddings!)) expect(labels).toContain(label);
  });

  it('warns where embeddings were asked for without speakers', () => {
    const body = renderAsr({ ...conversation, speakers: [], turns: [] }, { ...plain, speakerEmbeddings: true });
    expect(body.speaker_embeddings).toEqual({});
    expect(body.warnings.at(-1)?.code).toBe('no_speaker_embeddings');
  });

  it('answers silence with no segments, no language and the warning', () => {
    const silence: Transcript = {
      ...conversation,
      text: '',
      language: null,
      languageProbability: null,
      segments: [],
      turns: [],
      speakers: [],
      warnings: [{ code: 'no_speech', message: 'No speech was found.' }],
    };
    expect(renderAsr(silence, plain)).toEqual({
      text: '',
      language: null,
      duration: 25,
      segments: [],
      word_segments: [],
      warnings: silence.warnings,
    });
  });

  it('holds no number that JSON cannot', () => {
    const broken: Transcript = {
      ...conversation,
      duration: Number.POSITIVE_INFINITY,
      segments: conversation.segments.map((segment) => ({
        ...segment,
        start: Number.NaN,
        ...(segment.words === undefined
          ? {}
          : { words: segment.words.map((word) => ({ ...word, probability: Number.NaN })) }),
      })),
      speakers: [{ label: 'SPEAKER_00', seconds: 1, embedding: [Number.NaN, 1] }],
    };
    const body = renderAsr(broken, { ...plain, speakerEmbeddings: true });
    expect(JSON.parse(JSON.stringify(body))).toEqual(body);
  });

  it('fits its schema, whatever was said', () => {
    fc.assert(
      fc.property(arbitraryTranscript, fc.boolean(), fc.boolean(), (transcript, textAsSegments, speakerEmbeddings) => {
        const body = renderAsr(transcript, { textAsSegments, speakerEmbeddings });
        expect(asrTranscriptSchema.parse(body)).toEqual(body);
      }),
    );
  });
});

describe('renderDetectedLanguage', () => {
  it.each([
    [
      { language: 'de', probability: 0.97123 },
      { detected_language: 'german', language_code: 'de', confidence: 0.9712 },
    ],
    [
      { language: 'jw', probability: 1 },
      { detected_language: 'javanese', language_code: 'jv', confidence: 1 },
    ],
    [null, { detected_language: 'undetermined', language_code: 'und', confidence: 0 }],
  ])('writes %j as Bazarr reads it', (detected, expected) => {
    const body = renderDetectedLanguage(detected);
    expect(body).toEqual(expected);
    expect(detectedLanguageSchema.parse(body)).toEqual(body);
  });
});
