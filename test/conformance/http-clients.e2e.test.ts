import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withOtherBytes } from '../chaos/spoken-clips.ts';
import { allJobs } from '../jobs-client.ts';
import { ffmpeg } from '../recordings.ts';
import { type ScratchFolder, scratchFolder } from '../scratch-folder.ts';
import { type RunningServer, startServer } from '../server.ts';
import { type Clips, headerless, makeClips, TALK } from './clips.ts';

const GRACE_SECONDS = 1;

let scratch: ScratchFolder;
let server: RunningServer;
let clips: Clips;

beforeAll(async () => {
  scratch = await scratchFolder();
  clips = await makeClips(scratch);
  server = await startServer({
    dataDir: scratch.file('data'),
    env: { DIARIST_HANGUP_GRACE_SECONDS: String(GRACE_SECONDS) },
  });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await scratch?.[Symbol.asyncDispose]();
});

interface Part {
  readonly name: string;
  readonly file: string;
  readonly as?: string;
}

/** Posts a form. Fields are pairs, for some clients repeat them. */
async function post(
  route: string,
  fields: readonly (readonly [string, string])[],
  part?: Part,
  headers: Record<string, string> = {},
): Promise<Response> {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  if (part) form.set(part.name, new Blob([await readFile(part.file)]), part.as ?? 'audio.wav');
  return await fetch(`${server.url}${route}`, { method: 'POST', body: form, headers });
}

async function json<T>(response: Response): Promise<T> {
  const text = await response.text();
  expect(response.status, text).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  // JSON has no such numbers; some serialisers write them all the same.
  expect(text).not.toMatch(/\b(NaN|Infinity)\b/);
  return JSON.parse(text) as T;
}

function expectTalk(text: string): void {
  for (const words of TALK.words) expect(text.replaceAll('\n', ' ')).toMatch(words);
}

interface AsrBody {
  readonly text: string;
  readonly language: string;
  readonly segments: readonly { start: number; end: number; text: string; speaker?: string }[];
  readonly speaker_embeddings?: Readonly<Record<string, readonly number[]>>;
}

describe('Speakr', () => {
  const query =
    '/asr?encode=true&task=transcribe&output=json&diarize=true&enable_diarization=true&return_speaker_embeddings=true';

  it('probes, transcribes, and gets speakers with their voices', async () => {
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect((await fetch(server.url)).status).toBeLessThan(500);
    const { data } = await json<{ data: { id: string; owned_by: string }[] }>(await fetch(`${server.url}/v1/models`));
    for (const model of data) expect([model.id, model.owned_by]).toEqual([expect.any(String), expect.any(String)]);

    const body = await json<AsrBody>(await post(query, [], { name: 'audio_file', file: clips.talk }));
    expectTalk(body.text);
    expect(body.language).toBe('en');
    const labels = new Set(body.segments.map(({ speaker }) => speaker));
    expect(labels.size).toBe(2);
    expect(new Set(Object.keys(body.speaker_embeddings!))).toEqual(labels);
    for (const embedding of Object.values(body.speaker_embeddings!)) {
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 3);
    }
  });

  it('takes each option from the query or the form, and the query wins', async () => {
    const part = { name: 'audio_file', file: clips.diane };
    const asForm = await post('/asr', [['output', 'txt'], ['language', 'en'], ['diarize', 'false']], part); // biome-ignore format: pairs
    expect([asForm.status, asForm.headers.get('content-type')]).toEqual([200, expect.stringMatching(/^text\/plain/)]);
    const both = await post('/asr?output=json', [['output', 'srt'], ['language', 'en'], ['diarize', 'false']], part); // biome-ignore format: pairs
    expect((await json<AsrBody>(both)).text).toBe((await asForm.text()).trim().replaceAll('\n', ' '));
  });

  it('sends ten at once and none is turned away', async () => {
    const bodies = await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        const file = await withOtherBytes(clips.diane, scratch.file(`ten-${index}.wav`), index);
        return await json<AsrBody>(await post('/asr?output=json', [], { name: 'audio_file', file }));
      }),
    );
    expect(new Set(bodies.map(({ text }) => text)).size).toBe(1);
    expect(bodies[0]!.text).toMatch(/new jersey/i);
  });
});

describe('Bazarr', () => {
  it('asks for the language and for subtitles of headerless samples', async () => {
    const samples = await headerless(clips.talk, scratch.file('talk.pcm'));
    const send = async (route: string) => {
      const form = new FormData();
      form.set('audio_file', new Blob([samples]), 'audio_file');
      return await fetch(`${server.url}${route}`, { method: 'POST', body: form });
    };
    const detected = await json<Record<string, unknown>>(await send('/detect-language?encode=false'));
    expect(detected).toMatchObject({ detected_language: 'english', language_code: 'en' });
    const response = await send('/asr?task=transcribe&language=en&output=srt&encode=false');
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    const subtitles = await response.text();
    expect(subtitles).toMatch(/^1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n/);
    expect(subtitles).not.toMatch(/SPEAKER_/);
    expectTalk(subtitles);
  });

  it('sends 200 MB while the engine is busy, and the body is taken without a pause of 5 s', async () => {
    const busy = await withOtherBytes(clips.long, scratch.file('busy.wav'), 7);
    const meanwhile = post('/asr?output=txt', [], { name: 'audio_file', file: busy });
    const block = Buffer.alloc(2 ** 20);
    const boundary = 'a-film';
    const request = httpRequest(`${server.url}/detect-language?encode=false`, {
      method: 'POST',
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    });
    const answered = once(request, 'response');
    request.write(
      `--${boundary}\r\nContent-Disposition: form-data; name="audio_file"; filename="audio_file"\r\n` +
        'Content-Type: application/octet-stream\r\n\r\n',
    );
    let longestMs = 0;
    for (let sent = 0; sent < 200; sent++) {
      if (request.write(block)) continue;
      const from = performance.now();
      await once(request, 'drain');
      longestMs = Math.max(longestMs, performance.now() - from);
    }
    request.end(`\r\n--${boundary}--\r\n`);
    const [response] = (await answered) as [import('node:http').IncomingMessage];
    response.resume();
    // Nobody speaks in two hours of silence; what counts is that there is an answer and that nothing stood still.
    expect(response.statusCode).toBeLessThan(500);
    expect(longestMs).toBeLessThan(5000);
    expect((await meanwhile).status).toBe(200);
  });
});

describe('Open WebUI', () => {
  it('sends a form without a length, or base64 in JSON', async () => {
    const audio = await readFile(clips.talk);
    const boundary = 'open-webui';
    const head = (name: string, more = '') =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`;
    const pieces = [
      head('model'),
      'whisper-1\r\n',
      head('file', '; filename="a.wav"'),
      audio,
      `\r\n--${boundary}--\r\n`,
    ];
    const chunked = await fetch(`${server.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, authorization: 'Bearer any' },
      body: Readable.toWeb(Readable.from(pieces.map((piece) => Buffer.from(piece)))) as ReadableStream,
      duplex: 'half',
    });
    expectTalk((await json<{ text: string }>(chunked)).text);
    const inJson = await fetch(`${server.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'whisper-1', input_audio: { data: audio.toString('base64'), format: 'wav' } }),
    });
    expectTalk((await json<{ text: string }>(inJson)).text);
  });

  it('looks for models and voices, and reads the message of an error', async () => {
    const models = await json<{ models: { id: string }[] }>(await fetch(`${server.url}/v1/audio/models`));
    expect(models.models.map(({ id }) => id)).toContain('whisper-1');
    const voices = await json<{ voices: unknown[] }>(await fetch(`${server.url}/v1/audio/voices`));
    expect(Array.isArray(voices.voices)).toBe(true);
    const refused = await post('/v1/audio/transcriptions', [['model', 'whisper-1']]);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toEqual({
      error: { message: expect.any(String), type: 'invalid_request_error', param: 'file', code: expect.any(String) },
    });
  });
});

describe('Home Assistant', () => {
  it.each([
    ['8 kHz, 8 bit', ['-ar', '8000', '-c:a', 'pcm_u8'], 'wav'],
    ['16 kHz, stereo', ['-ar', '16000', '-ac', '2'], 'wav'],
    ['22.05 kHz, 24 bit', ['-ar', '22050', '-c:a', 'pcm_s24le'], 'wav'],
    ['44.1 kHz, 32 bit, stereo', ['-ar', '44100', '-ac', '2', '-c:a', 'pcm_s32le'], 'wav'],
    ['48 kHz, float', ['-ar', '48000', '-c:a', 'pcm_f32le'], 'wav'],
    ['Opus', ['-c:a', 'libopus', '-b:a', '24k'], 'ogg'],
    ['MP3', ['-b:a', '32k'], 'mp3'],
    ['AAC', ['-c:a', 'aac'], 'm4a'],
  ] as const)('sends %s', async (_name, encoding, extension) => {
    const file = scratch.file(`home-${encoding.join('')}.${extension}`);
    await ffmpeg('-i', clips.diane, ...encoding, file);
    const fields = [['model', 'gpt-4o-mini-transcribe'], ['response_format', 'json'], ['language', 'en'], ['prompt', '']] as const; // biome-ignore format: pairs
    const response = await post('/v1/audio/transcriptions', fields, { name: 'file', file, as: `a.${extension}` });
    expect((await json<{ text: string }>(response)).text).toMatch(/new jersey/i);
  });
});

describe('other dialects of the same path', () => {
  it('Azure: the model is in the path, the key in a header of its own, lists have numbers', async () => {
    const response = await post(
      '/openai/deployments/gpt-4o-transcribe-diarize/audio/transcriptions?api-version=2025-04-01-preview',
      [
        ['response_format', 'diarized_json'],
        ['chunking_strategy', 'auto'],
        ['known_speaker_names[0]', 'A'],
        ['known_speaker_references[0]', `data:audio/wav;base64,${(await readFile(clips.diane)).toString('base64')}`],
      ],
      { name: 'file', file: clips.talk },
      { 'api-key': 'any' },
    );
    const { segments } = await json<{ segments: { speaker: string; text: string }[] }>(response);
    expect(segments.find(({ text }) => /jersey/i.test(text))!.speaker).toBe('A');
    // A stranger gets a letter that no known voice has.
    expect(segments.find(({ text }) => /chicago/i.test(text))!.speaker).toBe('B');
  });

  it('Mistral: lists without brackets, no response_format, speaker_id', async () => {
    const response = await post(
      '/v1/audio/transcriptions',
      [
        ['model', 'whisper-1'],
        ['diarize', 'true'],
        ['timestamp_granularities', 'segment'],
        ['context_bias', 'New Jersey'],
        ['context_bias', 'Chicago'],
      ],
      { name: 'file', file: clips.talk },
    );
    const { segments } = await json<{ segments: { speaker_id: string; text: string }[] }>(response);
    expect(new Set(segments.map(({ speaker_id }) => speaker_id)).size).toBe(2);
    expectTalk(segments.map(({ text }) => text).join(' '));
  });

  it('openasr: speakers in verbose_json', async () => {
    const response = await post(
      '/v1/audio/transcriptions',
      [
        ['model', 'whisper-1'],
        ['response_format', 'verbose_json'],
        ['diarize', 'true'],
        ['speakers', '2'],
        ['return_speaker_embeddings', 'true'],
      ],
      { name: 'file', file: clips.talk },
    );
    const body = await json<{ segments: { speaker: string }[]; speaker_embeddings: Record<string, number[]> }>(
      response,
    );
    const labels = new Set(body.segments.map(({ speaker }) => speaker));
    expect(labels.size).toBe(2);
    expect(new Set(Object.keys(body.speaker_embeddings))).toEqual(labels);
  });

  it('speakers: blocks in milliseconds', async () => {
    const response = await post('/api/audio/transcribe-with-speakers', [], { name: 'file', file: clips.talk });
    const body = await json<{
      duration: number;
      language: string;
      speakers_detected: string[];
      segments: { start_ms: number; end_ms: number; speaker: string; text: string }[];
    }>(response);
    expect(body).toMatchObject({
      duration: TALK.seconds,
      language: 'en',
      speakers_detected: ['Speaker_0', 'Speaker_1'],
    });
    for (const { start_ms, end_ms } of body.segments) {
      expect(Number.isInteger(start_ms) && Number.isInteger(end_ms) && start_ms < end_ms).toBe(true);
    }
    expectTalk(body.segments.map(({ text }) => text).join(' '));
  });

  it.each(['/v1/readyz', '/v1/test', '/readyz/x', '/test'])('%s is nothing', async (route) => {
    expect((await fetch(`${server.url}${route}`)).status).toBe(404);
  });
});

describe('a caller who hangs up', () => {
  it('has the job cancelled and the engine freed, and a job with a caller who stays goes on', async () => {
    const start = async (tag: number, headers: Record<string, string> = {}) => {
      const file = await withOtherBytes(clips.long, scratch.file(`gone-${tag}.wav`), tag);
      const form = new FormData();
      form.set('audio_file', new Blob([await readFile(file)]), `gone-${tag}.wav`);
      const hangUp = new AbortController();
      const answer = fetch(`${server.url}/asr`, { method: 'POST', body: form, headers, signal: hangUp.signal });
      answer.catch(() => undefined);
      await expect.poll(() => stateOf(tag)).toBe('running');
      return { answer, hangUp };
    };
    const stateOf = async (tag: number) =>
      (await allJobs(server.url)).find(({ name }) => name === `gone-${tag}.wav`)?.state;

    const alone = await start(201);
    const first = await start(202);
    const second = await start(202);
    for (const { hangUp } of [alone, first]) hangUp.abort();
    await expect.poll(() => stateOf(201), { timeout: (GRACE_SECONDS + 5) * 1000 }).toBe('cancelled');
    expect((await second.answer).status).toBe(200);
    expect(await stateOf(202)).toBe('succeeded');
  });
});
