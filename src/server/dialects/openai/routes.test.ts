import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TranscribeRequest } from '../../../pipeline/types.ts';
import { startTestServer, type TestServer } from '../../fixtures/test-server.ts';
import { FIRST_VOICE, voiceEngines } from './fixtures/voice-engines.ts';
import { openaiDialect } from './index.ts';

const engines = voiceEngines();
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ engines, dialects: [openaiDialect] });
});
afterAll(() => server.close());

const TALK = 'SAY good morning and welcome';
type Fields = readonly (readonly [string, string])[];

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into bodies of every shape.
  readonly json: any;
}

async function call(path: string, init: RequestInit = {}): Promise<Reply> {
  const response = await fetch(server.url + path, init);
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

function send(fields: Fields, recording = TALK, path = '/v1/audio/transcriptions', headers = {}): Promise<Reply> {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  form.append('file', new Blob([recording]), 'a.wav');
  return call(path, { method: 'POST', body: form, headers });
}

const lastOptions = (): TranscribeRequest['options'] => engines.calls.at(-1)!.options;
const voice = (recording: string): string => `data:audio/wav;base64,${Buffer.from(recording).toString('base64')}`;

describe('POST /v1/audio/transcriptions', () => {
  it('answers in every format', async () => {
    const types = {
      json: 'application/json; charset=utf-8',
      verbose_json: 'application/json; charset=utf-8',
      diarized_json: 'application/json; charset=utf-8',
      text: 'text/plain; charset=utf-8',
      srt: 'text/plain; charset=utf-8',
      vtt: 'text/vtt; charset=utf-8',
    };
    for (const [format, type] of Object.entries(types)) {
      const { status, headers, text } = await send([['response_format', format]]);
      expect([status, headers.get('content-type')], format).toEqual([200, type]);
      expect(text).toContain('morning');
      expect(headers.get('x-diarist-job')).toMatch(/\w/);
    }
  });

  it('hands the options on', async () => {
    await send([
      ['model', 'whisper-1'],
      ['language', 'German'],
      ['prompt', 'Ada Lovelace'],
      ['keywords[]', 'Diarist'],
      ['keywords[]', 'engine'],
      ['diarize', 'true'],
      ['speakers', '2'],
    ]);
    expect(lastOptions()).toMatchObject({
      language: 'de',
      prompt: 'Ada Lovelace',
      hotwords: 'Diarist, engine',
      diarize: true,
      speakers: 2,
      task: 'transcribe',
    });
  });

  it('reads a list under each of its spellings', async () => {
    for (const name of ['timestamp_granularities', 'timestamp_granularities[]', 'timestamp_granularities[0]']) {
      const { json } = await send([
        ['response_format', 'verbose_json'],
        [name, 'word'],
      ]);
      expect(json.words, name).toHaveLength(4);
      expect(json).not.toHaveProperty('segments');
    }
  });

  it('answers Mistral’s clients, which ask for no verbose_json', async () => {
    const { json } = await send([
      ['model', 'base'],
      ['timestamp_granularities', 'segment'],
      ['context_bias', 'Ada'],
      ['context_bias', 'Grace'],
      ['diarize', 'true'],
    ]);
    expect(json.segments.map((segment: { speaker_id: string }) => segment.speaker_id)).toEqual([
      'SPEAKER_00',
      'SPEAKER_01',
    ]);
    expect(lastOptions().hotwords).toBe('Ada, Grace');
  });

  it('answers openasr’s clients', async () => {
    const { json } = await send([
      ['response_format', 'verbose_json'],
      ['diarize', 'true'],
      ['speakers', '2'],
      ['return_speaker_embeddings', 'true'],
    ]);
    const labels = json.segments.map((segment: { speaker: string }) => segment.speaker);
    expect(labels).toEqual(['SPEAKER_00', 'SPEAKER_01']);
    expect(Object.keys(json.speaker_embeddings)).toEqual(labels);
    expect(json.speaker_embedding_dimension).toBe(192);
    expect(lastOptions().speakers).toBe(2);
  });

  it('takes the file before and after the fields, and without a Content-Length', async () => {
    const boundary = 'b0undary';
    const part = (name: string, value: string, file = ''): string =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${value}\r\n`;
    const file = part('file', TALK, '; filename="a.wav"');
    const format = part('response_format', 'text');
    for (const parts of [
      [file, format],
      [format, file],
    ]) {
      const chunks = [...parts, `--${boundary}--\r\n`].map((text) => Buffer.from(text));
      const { status, text } = await call('/v1/audio/transcriptions', {
        method: 'POST',
        headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
        body: ReadableStream.from(chunks),
        duplex: 'half',
      } as RequestInit);
      expect([status, text]).toEqual([200, 'good morning and welcome\n']);
    }
  });

  it('reads a recording in a JSON body, as Open WebUI sends it', async () => {
    const body = (input_audio: unknown) => ({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'whisper-1', language: 'de', input_audio }),
    });
    const data = Buffer.from(`${TALK}\n${'x'.repeat(3_000_000)}`).toString('base64');
    const { status, json, headers } = await call('/audio/transcriptions', body({ data, format: 'webm' }));
    expect([status, json.text, headers.get('content-type')]).toEqual([
      200,
      'good morning and welcome',
      'application/json; charset=utf-8',
    ]);
    expect(lastOptions().language).toBe('de');
    for (const wrong of [undefined, 'text', { data: '%%%' }, { format: 'wav' }]) {
      const refused = await call('/audio/transcriptions', body(wrong));
      expect([refused.status, refused.json.error.param]).toEqual([400, 'input_audio']);
    }
    const empty = await call('/audio/transcriptions', body({ data: '' }));
    expect([empty.status, empty.json.error.code]).toEqual([400, 'input_empty']);
  });

  it('gives each word its log-probability', async () => {
    const { json } = await send([['include[]', 'logprobs']]);
    expect(json.logprobs.map(({ token }: { token: string }) => token).join('')).toBe(json.text);
  });

  it('says in the body or in a header what it did not do', async () => {
    const { json } = await send([['temperature', '0.5']]);
    expect(json.warnings).toMatchObject([{ code: 'temperature_ignored' }]);
    const text = await send([
      ['temperature', '0.5'],
      ['response_format', 'srt'],
    ]);
    expect(text.headers.get('x-diarist-warnings')).toBe('temperature_ignored');
    const strict = await send([
      ['temperature', '0.5'],
      ['strict', 'true'],
    ]);
    expect([strict.status, strict.json.error.code]).toEqual([422, 'strict_degraded']);
  });

  it('refuses with a sentence, all four keys and the name of the field', async () => {
    const cases: readonly [Fields, string][] = [
      [[['response_format', 'docx']], 'response_format'],
      [[['model', 'nonesuch']], 'model'],
      [[['language', 'klingon']], 'language'],
      [[['temperature', '7']], 'temperature'],
      [[['timestamp_granularities[]', 'sentence']], 'timestamp_granularities'],
      [[['known_speaker_names[]', 'Ann']], 'known_speaker_references'],
    ];
    for (const [fields, param] of cases) {
      const { status, json, headers } = await send(fields);
      expect([status, json.error.type, json.error.param]).toEqual([400, 'invalid_request_error', param]);
      expect(Object.keys(json.error).sort()).toEqual(['code', 'message', 'param', 'type']);
      expect(headers.get('x-should-retry')).toBe('false');
    }
    const without = await call('/v1/audio/transcriptions', { method: 'POST', body: new FormData() });
    expect([without.status, without.json.error.param]).toEqual([400, 'file']);
  });

  it('says that it failed to decode audio', async () => {
    const { status, json } = await send([], 'FAIL input_undecodable');
    expect(status).toBe(400);
    expect(json.error.message).toContain('failed to decode audio');
  });

  it('leaves no file behind, whatever becomes of a request', async () => {
    await send([['response_format', 'docx']]);
    await send([
      ['known_speaker_names[]', 'Ann'],
      ['known_speaker_references[]', voice('SILENT')],
    ]);
    await send([], 'FAIL input_undecodable');
    expect(await readdir(server.jobs.uploadFolder)).toEqual([]);
  });
});

describe('known speakers', () => {
  const speakersOf = ({ json }: Reply): string[] => json.segments.map(({ speaker }: { speaker: string }) => speaker);
  const asDiarized = (...fields: Fields): Promise<Reply> => send([['response_format', 'diarized_json'], ...fields]);

  it('are called by their names, and strangers by letters that are no names', async () => {
    expect(speakersOf(await asDiarized())).toEqual(['A', 'B']);
    const reply = await asDiarized(['known_speaker_names[]', 'B'], ['known_speaker_references[]', voice(FIRST_VOICE)]);
    expect(speakersOf(reply)).toEqual(['B', 'A']);
    const chunk = await asDiarized(
      ['known_speaker_names[0]', 'A'],
      ['known_speaker_references[0]', voice('SAY somebody else')],
      ['known_speaker_names[1]', 'Ann  Lee'],
      ['known_speaker_references[1]', voice(FIRST_VOICE)],
    );
    expect(speakersOf(chunk)).toEqual(['Ann  Lee', 'B']);
  });

  it('never lend their names to strangers', async () => {
    const reply = await asDiarized(
      ['known_speaker_names[]', 'A'],
      ['known_speaker_references[]', voice('SAY somebody else')],
    );
    expect(speakersOf(reply)).toEqual(['B', 'C']);
  });

  it('are refused where a reference cannot be used, without a job', async () => {
    const before = engines.calls.length;
    for (const [recording, words] of [
      ['SILENT', 'nobody speaks'],
      ['FAIL input_undecodable', 'failed to decode audio'],
    ] as const) {
      const { status, json } = await asDiarized(
        ['known_speaker_names[]', 'A'],
        ['known_speaker_references[]', voice(recording)],
      );
      expect([status, json.error.param]).toEqual([400, 'known_speaker_references']);
      expect(json.error.message).toContain(words);
    }
    expect(engines.calls).toHaveLength(before);
  });
});

describe('other paths', () => {
  it('translates', async () => {
    for (const path of ['/v1/audio/translations', '/audio/translations']) {
      const { json } = await send([['response_format', 'verbose_json']], TALK, path);
      expect(json).toMatchObject({ task: 'translate', language: 'english' });
      expect(lastOptions().task).toBe('translate');
    }
    const { status, json } = await send([['response_format', 'diarized_json']], TALK, '/v1/audio/translations');
    expect([status, json.error.param]).toEqual([400, 'response_format']);
  });

  it('takes the model from the path, as Azure has it, and any name for the default one', async () => {
    const path = (deployment: string, task = 'transcriptions'): string =>
      `/openai/deployments/${deployment}/audio/${task}?api-version=2025-04-01-preview`;
    const key = { 'api-key': 'anything' };
    expect((await send([], TALK, path('our-speech'), key)).json.text).toBe('good morning and welcome');
    expect((await send([['response_format', 'srt']], TALK, path('gpt-4o-transcribe-diarize'), key)).text).toContain(
      'SPEAKER_00: good',
    );
    expect((await send([], TALK, path('our-speech', 'translations'), key)).status).toBe(200);
    expect(lastOptions().task).toBe('translate');
  });

  it('lists the models, and says where one is not there', async () => {
    for (const path of ['/v1/models', '/models']) {
      const { json } = await call(path);
      expect(json.object).toBe('list');
      for (const model of json.data) {
        expect(model).toEqual({
          id: expect.stringMatching(/./),
          object: 'model',
          created: expect.any(Number),
          owned_by: 'diarist',
        });
        expect(Number.isInteger(model.created)).toBe(true);
        expect((await call(`${path}/${model.id}`)).json).toEqual(model);
      }
    }
    for (const id of ['nonesuch', 'org/nonesuch', 'org%2Fnonesuch']) {
      const { status, json } = await call(`/v1/models/${id}`);
      expect([status, json.error.code, json.error.param]).toEqual([404, 'model_not_found', 'model']);
    }
  });

  it('tells Open WebUI of models and voices', async () => {
    for (const prefix of ['', '/v1']) {
      expect((await call(`${prefix}/audio/models`)).json.models).toContainEqual({ id: 'whisper-1' });
      expect((await call(`${prefix}/audio/voices`)).json).toEqual({ voices: [] });
    }
  });

  it('says that it has no voice', async () => {
    for (const path of ['/v1/audio/speech', '/audio/speech']) {
      const { status, json, headers } = await call(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'tts-1', input: 'Hello.', voice: 'alloy' }),
      });
      expect([status, json.error.code, headers.get('x-should-retry')]).toEqual([501, 'not_implemented', 'false']);
    }
  });

  it('are documented with every body that they take and give', async () => {
    const { paths } = (await call('/openapi.json')).json;
    const { requestBody, responses } = paths['/v1/audio/transcriptions'].post;
    expect(Object.keys(requestBody.content)).toEqual(['multipart/form-data', 'application/json']);
    expect(requestBody.content['application/json'].schema.required).toEqual(['input_audio']);
    expect(Object.keys(responses['200'].content)).toEqual([
      'application/json',
      'text/plain',
      'text/vtt',
      'text/event-stream',
    ]);
    for (const [path, method] of [
      ['/v1/audio/translations', 'post'],
      ['/openai/deployments/{deployment}/audio/transcriptions', 'post'],
      ['/v1/models', 'get'],
      ['/v1/models/{id}', 'get'],
      ['/v1/audio/speech', 'post'],
    ] as const) {
      expect(paths[path], path).toHaveProperty(method);
    }
  });

  it('has nothing where clients look for other servers', async () => {
    for (const path of ['/v1/readyz', '/v1/test', '/v1/health', '/v1']) {
      expect((await call(path)).status, path).toBe(404);
    }
  });
});
