import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { DiaristError } from '../core/errors.ts';
import type { JobOptions } from '../jobs/types.ts';
import {
  defaultJobOptions,
  type Fields,
  parseFields,
  type WebserviceOptions,
  webserviceOptionShape,
  withWebserviceOptions,
} from './webservice-options.ts';

const schema = z.object(webserviceOptionShape);
const base = defaultJobOptions('base');

function fields(values: Record<string, string | string[]>): Fields {
  return new Map(Object.entries(values).map(([name, value]) => [name, Array.isArray(value) ? value : [value]]));
}

function read(values: Record<string, string | string[]>, before: JobOptions = base): JobOptions {
  return withWebserviceOptions(before, parseFields(schema, fields(values)));
}

function refusal(values: Record<string, string>): DiaristError {
  try {
    read(values);
  } catch (error) {
    if (error instanceof DiaristError) return error;
    throw error;
  }
  throw new Error('Nothing was refused.');
}

describe('options of the whisper webservice', () => {
  it('have the defaults of the contract', () => {
    expect(read({})).toEqual({
      model: 'base',
      task: 'transcribe',
      diarize: true,
      words: true,
      beamSize: 5,
      strict: false,
      speakerEmbeddings: false,
    });
  });

  it('are read as Speakr sends them', () => {
    expect(
      read({
        encode: 'true',
        task: 'transcribe',
        output: 'json',
        diarize: 'true',
        enable_diarization: 'true',
        language: 'de',
        return_speaker_embeddings: 'true',
        min_speakers: '2',
        max_speakers: '4',
        initial_prompt: 'Diarist',
        hotwords: 'Speakr, Whisper',
      }),
    ).toEqual({
      ...base,
      language: 'de',
      speakerEmbeddings: true,
      minSpeakers: 2,
      maxSpeakers: 4,
      prompt: 'Diarist',
      hotwords: 'Speakr, Whisper',
    });
  });

  it.each([
    ['true', true],
    ['True', true],
    ['1', true],
    ['on', true],
    ['false', false],
    ['False', false],
    ['0', false],
    ['no', false],
  ])('take %s as a switch', (text, expected) => {
    expect(read({ diarize: text }).diarize).toBe(expected);
    expect(read({ enable_diarization: text }).diarize).toBe(expected);
  });

  it('prefer diarize over its other name', () => {
    expect(read({ diarize: 'false', enable_diarization: 'true' }).diarize).toBe(false);
  });

  it('take codes, names and tags as a language, and nothing or auto as none', () => {
    expect(read({ language: 'German' }).language).toBe('de');
    expect(read({ language: 'pt-BR' }).language).toBe('pt');
    for (const none of ['', 'auto', 'AUTO', '  ']) expect(read({ language: none })).not.toHaveProperty('language');
    expect(refusal({ language: 'germann' })).toMatchObject({
      code: 'unknown_language',
      param: 'language',
      message: expect.stringContaining('German'),
    });
  });

  it('leave out what a form sent empty', () => {
    const empty = Object.fromEntries(Object.keys(webserviceOptionShape).map((name) => [name, '']));
    expect(read(empty)).toEqual(base);
  });

  it('let the exact number of speakers win', () => {
    expect(read({ num_speakers: '3', min_speakers: '9', max_speakers: '2' })).toEqual({ ...base, speakers: 3 });
  });

  it('refuse a range that is upside down', () => {
    expect(refusal({ min_speakers: '5', max_speakers: '2' })).toMatchObject({
      code: 'invalid_request',
      httpStatus: 400,
      param: 'min_speakers',
      message: 'min_speakers 5 is above max_speakers 2: swap them.',
    });
  });

  it.each([
    ['num_speakers', '0', 'num_speakers must be a whole number from 1 to 100, or auto, not "0".'],
    ['max_speakers', '2.5', 'max_speakers must be a whole number from 1 to 100, or auto, not "2.5".'],
    ['diarize', 'perhaps', 'diarize must be true or false, not "perhaps".'],
    ['task', 'summarise', 'task must be transcribe or translate, not "summarise".'],
  ])('refuse %s=%s in one sentence', (name, value, message) => {
    expect(refusal({ [name]: value })).toMatchObject({ code: 'invalid_request', param: name, message });
  });

  it('say that a file is headerless', () => {
    expect(read({ encode: 'false' }).format).toBe('s16le');
    expect(read({ encode: 'true' })).not.toHaveProperty('format');
  });

  it('change a job to run again, and take back what it was asked with', () => {
    const before: JobOptions = { ...base, language: 'de', speakers: 2, prompt: 'Hello', format: 's16le' };
    expect(read({}, before)).toEqual(before);
    expect(read({ language: 'auto', num_speakers: 'auto', initial_prompt: '' }, before)).toEqual({
      ...base,
      format: 's16le',
    });
    const { speakers: _, ...withoutSpeakers } = before;
    expect(read({ min_speakers: '3' }, before)).toEqual({ ...withoutSpeakers, minSpeakers: 3 });
    expect(read({ num_speakers: '4' }, { ...base, minSpeakers: 2, maxSpeakers: 3 })).toEqual({ ...base, speakers: 4 });
  });

  it('answer any text with options or with one sentence that names a field', () => {
    const anyFields = fc.dictionary(
      fc.constantFrom(...Object.keys(webserviceOptionShape)),
      fc.oneof(fc.string(), fc.constantFrom('true', 'false', '2', 'de', 'auto')),
    );
    fc.assert(
      fc.property(anyFields, (values) => {
        let options: JobOptions;
        try {
          options = withWebserviceOptions(base, parseFields(schema, fields(values)) as WebserviceOptions);
        } catch (error) {
          expect(error).toBeInstanceOf(DiaristError);
          expect((error as DiaristError).httpStatus).toBe(400);
          expect(Object.keys(values)).toContain((error as DiaristError).param);
          return;
        }
        expect(options.speakers === undefined || options.minSpeakers === undefined).toBe(true);
        expect((options.minSpeakers ?? 1) <= (options.maxSpeakers ?? 100)).toBe(true);
      }),
    );
  });
});
