import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { srt } from '../../../transcript/formats/srt.ts';
import { startTestServer, type TestServer } from '../../fixtures/test-server.ts';
import { bazarrRequest, sendWire, speakrRequest } from './fixtures/python-clients.ts';
import { asrTranscriptSchema } from './schemas.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

interface Body {
  readonly [name: string]: unknown;
  readonly text?: unknown;
  readonly segments?: readonly { speaker?: string; text: string }[];
}

async function asr(
  query: Record<string, string>,
  fields: Record<string, string> = {},
  recording = 'SAY good morning to everybody here',
  name = 'meeting.mp3',
): Promise<{ status: number; headers: Headers; text: string; json: Body }> {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.set(field, value);
  form.set('audio_file', new Blob([recording]), name);
  const response = await fetch(`${server.url}/asr?${new URLSearchParams(query)}`, { method: 'POST', body: form });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return { status: response.status, headers: response.headers, text, json: isJson ? (JSON.parse(text) as Body) : {} };
}

/** Options of the newest job. */
function lastOptions() {
  return server.jobs.list({ limit: 1 }).jobs[0]!.options;
}

async function leftUploads(): Promise<string[]> {
  return (await readdir(server.jobs.uploadFolder)).filter((name) => name.startsWith('upload-'));
}

describe('POST /asr as Bazarr calls it', () => {
  const params = { task: 'transcribe', language: 'de', output: 'srt', encode: 'false' };

  it('answers headerless samples with an SRT in plain text', async () => {
    const wire = bazarrRequest('/asr', params, Buffer.from('SAY good morning\n'));
    const { status, headers, text } = await sendWire(server.url, wire);
    expect([status, headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
    expect(text).toMatch(/^1\n00:00:00,\d{3} --> 00:00:\d{2},\d{3}\n/);
    expect(
      srt
        .parse(text)
        .map((cue) => cue.text.replace(/\s+/g, ' '))
        .join(' '),
    ).toContain('good');
    expect(headers['content-disposition']).toBe('attachment; filename="audio_file.srt"');
    expect(text).not.toContain('SPEAKER');
    expect(lastOptions()).toMatchObject({ format: 's16le', language: 'de', task: 'transcribe', diarize: false });
  });

  it('names speakers in subtitles where they are asked for, or where the file is no bare film track', async () => {
    const asked = bazarrRequest('/asr', { ...params, diarize: 'true' }, Buffer.from('SAY good morning\n'));
    expect((await sendWire(server.url, asked)).text).toContain('SPEAKER_00: ');
    expect((await asr({ output: 'srt' })).text).toContain('SPEAKER_00: ');
  });

  it('takes the name of the video and a translation', async () => {
    const wire = bazarrRequest(
      '/asr',
      { ...params, task: 'translate', video_file: '/media/Ä film.mkv' },
      Buffer.from('SAY hello\n'),
    );
    expect((await sendWire(server.url, wire)).status).toBe(200);
    expect(lastOptions().task).toBe('translate');
  });

  it('is sent an empty SRT where nobody speaks, and told why in a header', async () => {
    const { status, text } = await sendWire(server.url, bazarrRequest('/asr', params, Buffer.from('SILENT\n')));
    expect([status, text]).toEqual([200, '']);
  });
});

describe('POST /detect-language', () => {
  it('answers as Bazarr reads it', async () => {
    const wire = bazarrRequest('/detect-language', { encode: 'false' }, Buffer.from('SAY good morning\n'));
    const { status, headers, text } = await sendWire(server.url, wire);
    expect([status, headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
    const body = JSON.parse(text) as { detected_language: string; language_code: string; confidence: number };
    const names: Record<string, string> = { en: 'english', de: 'german', fr: 'french', es: 'spanish' };
    expect(body).toEqual({
      detected_language: names[body.language_code],
      language_code: expect.stringMatching(/^[a-z]{2}$/),
      confidence: 0.75,
    });
  });

  it('says und where nobody speaks, keeps no job and no file', async () => {
    const before = server.jobs.list({ limit: 1000 }).jobs.length;
    const wire = bazarrRequest('/detect-language', { encode: 'false' }, Buffer.from('SILENT\n'));
    expect(JSON.parse((await sendWire(server.url, wire)).text)).toEqual({
      detected_language: 'undetermined',
      language_code: 'und',
      confidence: 0,
    });
    expect(server.jobs.list({ limit: 1000 }).jobs).toHaveLength(before);
    expect(await leftUploads()).toEqual([]);
  });

  it('removes the upload when the engine fails', async () => {
    const wire = bazarrRequest('/detect-language', {}, Buffer.from('FAIL input_undecodable\n'));
    const { status, text } = await sendWire(server.url, wire);
    expect(status).toBe(400);
    expect((JSON.parse(text) as { detail: string }).detail).toContain('failed to decode audio');
    expect(await leftUploads()).toEqual([]);
  });
});

describe('POST /asr as Speakr calls it', () => {
  const params = { encode: 'true', task: 'transcribe', output: 'json', diarize: 'true', enable_diarization: 'true' };

  it('answers with segments, a string as text, and embeddings by the same labels', async () => {
    const wire = speakrRequest(
      { ...params, return_speaker_embeddings: 'true', min_speakers: '2', max_speakers: '3', hotwords: 'Diarist' },
      Buffer.from('SAY good morning to everybody\n'),
    );
    const { status, text } = await sendWire(server.url, wire);
    expect(status).toBe(200);
    const body = asrTranscriptSchema.parse(JSON.parse(text));
    expect(body.text).toBe('good morning to everybody');
    expect(body.language).toMatch(/^[a-z]{2}$/);
    const labels = new Set(body.segments.map(({ speaker }) => speaker));
    expect(labels).toEqual(new Set(['SPEAKER_00', 'SPEAKER_01']));
    expect(new Set(Object.keys(body.speaker_embeddings!))).toEqual(labels);
    for (const embedding of Object.values(body.speaker_embeddings!)) {
      expect(embedding).toHaveLength(body.speaker_embedding_dimension!);
    }
    expect(lastOptions()).toMatchObject({ minSpeakers: 2, maxSpeakers: 3, hotwords: 'Diarist', diarize: true });
  });

  it('takes a file name outside ASCII', async () => {
    const wire = speakrRequest({ ...params, output: 'txt' }, Buffer.from('SAY hello\n'), 'Besprechung Köln.m4a');
    const { headers } = await sendWire(server.url, wire);
    expect(headers['content-disposition']).toBe(
      `attachment; filename="Besprechung K_ln.txt"; filename*=UTF-8''Besprechung%20K%C3%B6ln.txt`,
    );
  });

  it('tells an upload that cannot be decoded so that Speakr re-encodes it', async () => {
    const { status, text } = await sendWire(server.url, speakrRequest(params, Buffer.from('FAIL input_undecodable\n')));
    expect(status).toBe(400);
    expect(text).toContain('failed to decode audio');
  });

  it('keeps the words for permanent failures out of passing ones', async () => {
    const wire = speakrRequest(params, Buffer.from('FAIL engine_crashed\n'));
    const { status, text } = await sendWire(server.url, wire);
    expect(status).toBe(500);
    expect(text).not.toMatch(/invalid_request_error|bad request|unauthorized|model not found|access denied/i);
  });

  it('answers ten calls at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        sendWire(server.url, speakrRequest(params, Buffer.from(`SAY recording number ${index}\nSLOW 40\n`))),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    const texts = answers.map(({ text }) => (JSON.parse(text) as Body).text);
    expect(texts).toEqual(Array.from({ length: 10 }, (_, index) => `recording number ${index}`));
  });
});

describe('POST /asr', () => {
  it('takes each option from the query and from the form, and the query wins', async () => {
    await asr({}, { language: 'french', diarize: 'false', word_timestamps: 'false', initial_prompt: 'Hello' });
    expect(lastOptions()).toMatchObject({ language: 'fr', diarize: false, words: false, prompt: 'Hello' });
    await asr({ language: 'de', diarize: 'true' }, { language: 'fr', diarize: 'false' });
    expect(lastOptions()).toMatchObject({ language: 'de', diarize: true });
  });

  it.each([
    ['json', 'application/json; charset=utf-8'],
    ['text', 'text/plain; charset=utf-8'],
    ['txt', 'text/plain; charset=utf-8'],
    ['srt', 'text/plain; charset=utf-8'],
    ['vtt', 'text/vtt; charset=utf-8'],
    ['tsv', 'text/tab-separated-values; charset=utf-8'],
  ])('writes %s under either name of the parameter', async (format, type) => {
    for (const name of ['output', 'output_format']) {
      const { status, headers, text } = await asr({ [name]: format });
      expect([status, headers.get('content-type')]).toEqual([200, type]);
      expect(text).toContain('morning');
    }
  });

  it('gives words, and the segments as text where asked', async () => {
    const { json } = await asr({ text_as_segments: 'true' });
    expect(json.text).toEqual(json.segments);
    expect(json.word_segments).toContainEqual({
      word: 'good',
      start: 0,
      end: 0.4,
      score: 0.9,
      speaker: 'SPEAKER_00',
    });
  });

  it('answers silence with 200', async () => {
    const { status, json } = await asr({}, {}, 'SILENT');
    expect(status).toBe(200);
    expect(json).toMatchObject({ text: '', language: null, segments: [], word_segments: [] });
  });

  it.each<[string, Record<string, string>, string]>([
    ['a range upside down', { min_speakers: '3', max_speakers: '2' }, 'min_speakers'],
    ['an unknown language', { language: 'klingon' }, 'language'],
    ['an unknown format', { output: 'docx' }, 'output_format'],
    ['an unknown model', { model: 'no-such-model' }, 'model'],
    ['an unknown task', { task: 'sing' }, 'task'],
  ])('refuses %s with 400 in both envelopes, and leaves no file', async (_, query, param) => {
    const { status, json } = await asr(query);
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ param, type: 'invalid_request_error', message: json.detail });
    expect(await leftUploads()).toEqual([]);
  });

  it('refuses a request without a file, and an empty one', async () => {
    const nothing = await fetch(`${server.url}/asr`, { method: 'POST' });
    expect(nothing.status).toBe(400);
    expect(((await nothing.json()) as { detail: string }).detail).toContain('audio_file');
    const { status, json } = await asr({}, {}, '');
    expect([status, (json.error as { code: string }).code]).toEqual([400, 'input_empty']);
  });

  it('reads a slow body while it answers others', async () => {
    const slow = bazarrRequest(
      '/asr',
      { output: 'txt', diarize: 'false' },
      Buffer.from(`SAY slow but whole\n${'.'.repeat(300_000)}`),
    );
    let others = 0;
    const { status, text } = await sendWire(server.url, slow, async function* (body) {
      const step = Math.ceil(body.length / 4);
      for (let at = 0; at < body.length; at += step) {
        yield body.subarray(at, at + step);
        others += (await asr({ output: 'txt' }, {}, `SAY quick ${at}`)).status === 200 ? 1 : 0;
      }
    });
    expect([status, others]).toEqual([200, 4]);
    expect(text).toContain('slow but whole');
  });

  it('removes what was received when the client hangs up while it sends', async () => {
    const { path, headers, body } = speakrRequest({}, Buffer.alloc(400_000));
    const outgoing = request(new URL(path, server.url), { method: 'POST', headers });
    const closed = new Promise<void>((done) => void outgoing.on('error', () => {}).on('close', done));
    await new Promise<void>((written) => void outgoing.write(body.subarray(0, 200_000), () => written()));
    await expect.poll(leftUploads).toHaveLength(1);
    outgoing.destroy();
    await closed;
    await expect.poll(leftUploads).toEqual([]);
  });

  it('cancels the job when the client hangs up and nobody else waits', async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const stop = server.jobs.onChange((change) => {
      if (change.kind === 'ended') resolve(change.job.state);
    });
    const controller = new AbortController();
    const started = new Promise<void>((running) => {
      const end = server.jobs.onChange((change) => {
        if (change.kind === 'started') {
          end();
          running();
        }
      });
    });
    const form = new FormData();
    form.set('audio_file', new Blob(['SLOW 60000']), 'long.wav');
    const call = fetch(`${server.url}/asr`, { method: 'POST', body: form, signal: controller.signal });
    await started;
    controller.abort();
    await expect(call).rejects.toThrow();
    expect(await promise).toBe('cancelled');
    stop();
  });

  it('goes on without the client where it prefers so', async () => {
    const form = new FormData();
    form.set('audio_file', new Blob(['SAY later']), 'a.wav');
    const response = await fetch(`${server.url}/asr`, {
      method: 'POST',
      body: form,
      headers: { prefer: 'respond-async' },
    });
    expect(response.status).toBe(202);
    const id = response.headers.get('x-diarist-job')!;
    expect(response.headers.get('location')).toBe(`/api/jobs/${id}`);
    expect(((await response.json()) as Body).id).toBe(id);
    await expect.poll(() => server.jobs.get(id)?.state).toBe('succeeded');
  });

  it('tells nobody where on the server the recording lies', async () => {
    const failed = await asr({}, {}, 'FAIL input_no_audio');
    expect(failed.json.detail).toBe('The recording fails with input_no_audio, as it was told to.');
    const undetected = await sendWire(
      server.url,
      bazarrRequest('/detect-language', {}, Buffer.from('FAIL input_no_audio')),
    );
    expect(undetected.text).not.toContain(server.dataDir);
  });

  it('logs neither names nor words', async () => {
    await asr({ initial_prompt: 'secretprompt' }, {}, 'SAY secretword', 'secretname.mp3');
    expect(JSON.stringify(server.log)).not.toMatch(/secret(prompt|word|name)/);
  });
});

describe('a busy server', () => {
  it('lets /asr callers wait where the queue is full, and detects languages meanwhile', async () => {
    await using busy = await startTestServer({ environment: { DIARIST_QUEUE_LIMIT: '1', DIARIST_MAX_RUNNING: '1' } });
    const calls = Array.from({ length: 10 }, (_, index) =>
      sendWire(busy.url, speakrRequest({ output: 'json' }, Buffer.from(`SAY number ${index}\nSLOW 100\n`))),
    );
    await expect.poll(() => busy.jobs.counts().queued).toBeGreaterThan(1);
    const detected = await sendWire(busy.url, bazarrRequest('/detect-language', {}, Buffer.from('SAY hello\n')));
    expect(detected.status).toBe(200);
    expect(busy.jobs.counts().queued).toBeGreaterThan(0);
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
  });
});
