import { describe, expect, it } from 'vitest';
import { DiaristError } from '../../../core/errors.ts';
import { readTranscription, readTranslation, type TranscriptionRequest } from './transcription-request.ts';

type Given = Record<string, string | readonly string[]>;

const fieldsOf = (given: Given): Map<string, readonly string[]> =>
  new Map(Object.entries(given).map(([name, value]) => [name, typeof value === 'string' ? [value] : value]));

const read = (given: Given, model = 'whisper-1'): TranscriptionRequest => readTranscription(fieldsOf(given), model);

function refused(given: Given): { code: string; param: string | undefined; message: string } {
  try {
    read(given);
  } catch (error) {
    if (error instanceof DiaristError) return { code: error.code, param: error.param, message: error.message };
    throw error;
  }
  throw new Error('It was accepted.');
}

const warningCodes = (request: TranscriptionRequest): string[] => request.warnings.map(({ code }) => code);
const voice = (text: string): string => `data:audio/wav;base64,${Buffer.from(text).toString('base64')}`;

describe('readTranscription', () => {
  it('does what is cheapest where only the text is wanted', () => {
    const { options, output, stream, voices, warnings } = read({});
    expect(options).toMatchObject({ task: 'transcribe', diarize: false, words: false, strict: false });
    expect(output).toEqual({ format: 'json', segments: false, words: false, logprobs: false });
    expect([stream, voices, warnings]).toEqual([false, [], []]);
  });

  it('takes empty fields as absent ones, as Home Assistant sends them', () => {
    const { options } = read({ prompt: '', language: '', temperature: '', response_format: '' });
    expect(options).not.toHaveProperty('prompt');
    expect(options).not.toHaveProperty('language');
  });

  it('knows languages by code, English name and region', () => {
    expect(read({ language: 'German' }).options.language).toBe('de');
    expect(read({ language: 'fil' }).options.language).toBe('tl');
    expect(read({ language: 'pt-BR' }).options.language).toBe('pt');
    expect(refused({ language: 'klingon' })).toMatchObject({ code: 'unknown_language', param: 'language' });
  });

  it('uses a lone language hint and says that it cannot choose among several', () => {
    expect(read({ languages: ['de'] }).options.language).toBe('de');
    const several = read({ languages: ['de', 'en'] });
    expect(several.options).not.toHaveProperty('language');
    expect(warningCodes(several)).toEqual(['languages_ignored']);
    expect(warningCodes(read({ language: 'de', languages: ['de', 'en'] }))).toEqual([]);
    expect(refused({ languages: ['de', 'xx'] })).toMatchObject({ code: 'unknown_language', param: 'languages' });
  });

  it('makes hot words of keywords and of Mistral’s context_bias', () => {
    expect(read({ keywords: ['Diarist', 'Ada'], context_bias: 'Whisper' }).options.hotwords).toBe(
      'Diarist, Ada, Whisper',
    );
    expect(read({}).options).not.toHaveProperty('hotwords');
  });

  it('names the field that is wrong', () => {
    const wrong: Given = {
      response_format: 'docx',
      temperature: '1.5',
      stream: 'maybe',
      timestamp_granularities: ['word', 'sentence'],
      include: 'tokens',
      chunking_strategy: 'sometimes',
      speakers: '0',
      diarize: '2',
    };
    for (const [name, value] of Object.entries(wrong)) {
      expect(refused({ [name]: value }), name).toMatchObject({ code: 'invalid_request', param: name });
    }
    expect(refused({ response_format: 'docx' }).message).toBe(
      'response_format must be json, text, srt, verbose_json, vtt or diarized_json, not "docx".',
    );
    expect(refused({ temperature: 'NaN' }).param).toBe('temperature');
    expect(refused({ min_speakers: '3', max_speakers: '2' }).param).toBe('min_speakers');
  });

  it('accepts every spelling of chunking_strategy', () => {
    expect(read({ chunking_strategy: 'auto' }).warnings).toEqual([]);
    expect(read({ chunking_strategy: '{"type":"server_vad"}' }).warnings).toEqual([]);
    expect(read({ 'chunking_strategy[type]': 'server_vad' }).warnings).toEqual([]);
    expect(
      warningCodes(read({ 'chunking_strategy[type]': 'server_vad', 'chunking_strategy[threshold]': '0.4' })),
    ).toEqual(['chunking_strategy_ignored']);
    expect(refused({ 'chunking_strategy[type]': 'client_vad' }).param).toBe('chunking_strategy');
    expect(refused({ chunking_strategy: '{"type":"server_vad","threshold":3}' }).message).toContain('threshold');
    expect(refused({ chunking_strategy: '{"type":"server_vad","silence_duration_ms":-1}' }).param).toBe(
      'chunking_strategy',
    );
    expect(refused({ chunking_strategy: '{' }).param).toBe('chunking_strategy');
  });

  it('says what it cannot do, and refuses it where that is not allowed', () => {
    expect(warningCodes(read({ temperature: '0.4' }))).toEqual(['temperature_ignored']);
    expect(warningCodes(read({ temperature: '0' }))).toEqual([]);
    expect(refused({ temperature: '0.4', strict: 'true' }).code).toBe('strict_degraded');
  });

  it('looks for words where times, speakers or probabilities are wanted', () => {
    for (const given of [
      { response_format: 'verbose_json' },
      { response_format: 'srt' },
      { response_format: 'vtt' },
      { response_format: 'diarized_json' },
      { include: 'logprobs' },
      { timestamp_granularities: ['segment'] },
      { diarize: 'true' },
    ]) {
      expect(read(given).options.words, JSON.stringify(given)).toBe(true);
    }
    expect(read({ response_format: 'text' }).options.words).toBe(false);
  });

  it('shows segments and words as asked, and segments by default in verbose_json', () => {
    expect(read({ response_format: 'verbose_json' }).output).toMatchObject({ segments: true, words: false });
    expect(read({ response_format: 'verbose_json', timestamp_granularities: ['word'] }).output).toMatchObject({
      segments: false,
      words: true,
    });
    expect(read({ timestamp_granularities: ['segment'], diarize: 'true' }).output).toMatchObject({ segments: true });
  });

  it('tells speakers apart where somebody asks for it', () => {
    expect(read({ response_format: 'diarized_json' }).options.diarize).toBe(true);
    expect(read({ diarize: 'true', speakers: '2' }).options).toMatchObject({ diarize: true, speakers: 2 });
    expect(read({ response_format: 'srt' }, 'gpt-4o-transcribe-diarize').options.diarize).toBe(true);
    expect(read({ response_format: 'srt', diarize: 'false' }, 'gpt-4o-transcribe-diarize').options.diarize).toBe(false);
    expect(read({}, 'gpt-4o-transcribe-diarize').options.diarize).toBe(false);
    expect(read({ return_speaker_embeddings: 'true' }).options).toMatchObject({
      diarize: true,
      speakerEmbeddings: true,
    });
  });

  it('streams what comes piece by piece, and says where a format does not', () => {
    expect(read({ stream: 'true' }).stream).toBe(true);
    expect(read({ stream: 'true', response_format: 'diarized_json' }).stream).toBe(true);
    const whole = read({ stream: 'true', response_format: 'srt' });
    expect([whole.stream, warningCodes(whole)]).toEqual([false, ['stream_ignored']]);
  });

  it('pairs the names of known voices with their recordings, and keeps the names as they are', () => {
    const { voices, options } = read({
      known_speaker_names: [' Ann ', 'B'],
      known_speaker_references: [voice('one'), voice('two').replace('data:', 'DATA:')],
    });
    expect(voices.map(({ name, recording }) => [name, recording.toString()])).toEqual([
      [' Ann ', 'one'],
      ['B', 'two'],
    ]);
    expect(options.diarize).toBe(true);
  });

  it('refuses known voices that do not fit together', () => {
    const names = 'known_speaker_names';
    const references = 'known_speaker_references';
    const pairs = (count: number) => ({
      [names]: Array.from({ length: count }, (_, index) => `speaker ${index}`),
      [references]: Array.from({ length: count }, (_, index) => voice(`${index}`)),
    });
    expect(read(pairs(4)).voices).toHaveLength(4);
    expect(refused(pairs(5)).param).toBe(names);
    expect(refused({ [names]: ['A'] }).param).toBe(references);
    expect(refused({ [references]: [voice('A')] }).param).toBe(names);
    expect(refused({ [names]: ['A', 'A'], [references]: [voice('1'), voice('2')] }).param).toBe(names);
    expect(refused({ [names]: [' '], [references]: [voice('1')] }).param).toBe(names);
    for (const url of [
      'https://example.org/a.wav',
      'data:audio/wav;base64,',
      'data:audio/wav,abc',
      'data:;base64,%%',
    ]) {
      expect(refused({ [names]: ['A'], [references]: [url] }), url).toMatchObject({ param: references });
    }
  });
});

describe('readTranslation', () => {
  it('translates, and knows no speakers', () => {
    const { options, output } = readTranslation(fieldsOf({ response_format: 'verbose_json', prompt: 'Names.' }));
    expect(options).toMatchObject({ task: 'translate', diarize: false, prompt: 'Names.' });
    expect(output.segments).toBe(true);
    expect(() => readTranslation(fieldsOf({ response_format: 'diarized_json' }))).toThrow(
      'response_format must be json, text, srt, verbose_json or vtt',
    );
  });
});
