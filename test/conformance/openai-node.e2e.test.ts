import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import OpenAI, { type APIError, BadRequestError, NotFoundError, toFile } from 'openai';
import OpenAIOfLastYear from 'openai-a-year-ago';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withOtherBytes } from '../chaos/spoken-clips.ts';
import { allJobs } from '../jobs-client.ts';
import { type ScratchFolder, scratchFolder } from '../scratch-folder.ts';
import { type RunningServer, startServer } from '../server.ts';
import { type Clips, dataUrl, makeClips, TALK } from './clips.ts';

let scratch: ScratchFolder;
let server: RunningServer;
let clips: Clips;

beforeAll(async () => {
  scratch = await scratchFolder();
  clips = await makeClips(scratch);
  server = await startServer({ dataDir: scratch.file('data') });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await scratch?.[Symbol.asyncDispose]();
});

/** Requests that an SDK really made, with their headers. */
interface Recorded {
  readonly url: string;
  readonly headers: Headers;
}

describe.each([
  ['current', OpenAI],
  // The classes of two versions are unrelated types; what is used of them has not changed.
  ['of a year ago', OpenAIOfLastYear as unknown as typeof OpenAI],
])('openai for Node, %s', (_version, Client) => {
  function client(options: { timeout?: number; maxRetries?: number } = {}): { sdk: OpenAI; requests: Recorded[] } {
    const requests: Recorded[] = [];
    const sdk = new Client({
      baseURL: `${server.url}/v1`,
      apiKey: 'any',
      ...options,
      fetch: (url, init) => {
        // The SDK asks its fetch for `data:,` once, to learn whether it can send forms.
        if (!String(url).startsWith('data:')) requests.push({ url: String(url), headers: new Headers(init?.headers) });
        return fetch(url, init);
      },
    });
    return { sdk, requests };
  }
  const file = () => createReadStream(clips.talk);

  it('json: text, language and seconds', async () => {
    const { sdk } = client();
    const answer = await sdk.audio.transcriptions.create({ file: file(), model: 'whisper-1' });
    for (const words of TALK.words) expect(answer.text).toMatch(words);
    expect(answer.usage).toEqual({ type: 'duration', seconds: TALK.seconds });
  });

  it.each(['text', 'srt', 'vtt'] as const)('%s: the body is the text', async (format) => {
    const { sdk } = client();
    const body = (await sdk.audio.transcriptions.create({
      file: file(),
      model: 'whisper-1',
      response_format: format,
    })) as unknown as string;
    for (const words of TALK.words) expect(body.replaceAll('\n', ' ')).toMatch(words);
    const beginnings = { text: /^Hello/, srt: /^1\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\nHello/, vtt: /^WEBVTT\n\n/ };
    expect(body).toMatch(beginnings[format]);
  });

  it('verbose_json: segments by default, and words where they are asked for', async () => {
    const { sdk } = client();
    const common = { model: 'whisper-1', response_format: 'verbose_json' } as const;
    const plain = await sdk.audio.transcriptions.create({ ...common, file: file() });
    expect(plain).toMatchObject({ language: 'english', duration: TALK.seconds });
    expect(plain.words).toBeUndefined();
    expect(plain.segments!.length).toBeGreaterThan(1);
    for (const segment of plain.segments!) {
      expect(segment).toMatchObject({
        id: expect.any(Number),
        seek: expect.any(Number),
        tokens: expect.any(Array),
        temperature: expect.any(Number),
        avg_logprob: expect.any(Number),
        compression_ratio: expect.any(Number),
        no_speech_prob: expect.any(Number),
      });
    }
    const both = await sdk.audio.transcriptions.create({
      ...common,
      file: file(),
      timestamp_granularities: ['word', 'segment'],
    });
    expect(both.segments).toEqual(plain.segments);
    const starts = both.words!.map(({ start }) => start);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    const jersey = both.words!.find(({ word }) => /jersey/i.test(word));
    // The reference has "This is Diane in New Jersey" between 4.6 and 8.7 s.
    expect(jersey!.start).toBeGreaterThan(6);
    expect(jersey!.end).toBeLessThan(9);
  });

  it.each([
    ['auto', 'auto'],
    ['an object', { type: 'server_vad', threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 200 }],
  ] as const)('diarized_json, chunking strategy %s: letters for the speakers', async (_name, strategy) => {
    const { sdk } = client();
    const answer = (await sdk.audio.transcriptions.create({
      file: file(),
      model: 'gpt-4o-transcribe-diarize',
      response_format: 'diarized_json',
      chunking_strategy: strategy,
    })) as unknown as OpenAI.Audio.TranscriptionDiarized;
    expect(answer.duration).toBe(TALK.seconds);
    expect([...new Set(answer.segments.map(({ speaker }) => speaker))].sort()).toEqual(['A', 'B']);
    const [jersey] = answer.segments.filter(({ text }) => /jersey/i.test(text));
    const [chicago] = answer.segments.filter(({ text }) => /chicago/i.test(text));
    expect(jersey!.speaker).not.toBe(chicago!.speaker);
    for (const segment of answer.segments) {
      expect(segment).toMatchObject({ type: 'transcript.text.segment', id: expect.any(String) });
    }
  });

  it('known speakers: the voice gets its name, and a stranger does not', async () => {
    const { sdk } = client();
    const answer = (await sdk.audio.transcriptions.create({
      file: file(),
      model: 'gpt-4o-transcribe-diarize',
      response_format: 'diarized_json',
      chunking_strategy: 'auto',
      known_speaker_names: ['Diane'],
      known_speaker_references: [await dataUrl(clips.diane)],
    })) as unknown as OpenAI.Audio.TranscriptionDiarized;
    const [jersey] = answer.segments.filter(({ text }) => /jersey/i.test(text));
    const [chicago] = answer.segments.filter(({ text }) => /chicago/i.test(text));
    expect(jersey!.speaker).toBe('Diane');
    expect(chicago!.speaker).toMatch(/^[A-Z]$/);
  });

  it('include logprobs', async () => {
    const { sdk } = client();
    const answer = await sdk.audio.transcriptions.create({
      file: file(),
      model: 'gpt-4o-transcribe',
      response_format: 'json',
      include: ['logprobs'],
    });
    expect(
      answer
        .logprobs!.map(({ token }) => token)
        .join('')
        .trim(),
    ).toBe(answer.text);
    for (const { logprob } of answer.logprobs!) expect(logprob).toBeLessThanOrEqual(0);
  });

  it('stream: deltas that make up the text, and its end', async () => {
    const { sdk } = client();
    const stream = await sdk.audio.transcriptions.create({
      file: file(),
      model: 'gpt-4o-mini-transcribe',
      stream: true,
    });
    let text = '';
    const kinds: string[] = [];
    for await (const event of stream) {
      if (kinds.at(-1) !== event.type) kinds.push(event.type);
      if (event.type === 'transcript.text.delta') text += event.delta;
      if (event.type === 'transcript.text.done') expect(event.text).toBe(text);
    }
    expect(kinds).toEqual(['transcript.text.delta', 'transcript.text.done']);
    for (const words of TALK.words) expect(text).toMatch(words);
  });

  it('stream of diarized_json: segments with speakers', async () => {
    const { sdk } = client();
    const stream = (await sdk.audio.transcriptions.create({
      file: file(),
      model: 'gpt-4o-transcribe-diarize',
      response_format: 'diarized_json',
      chunking_strategy: 'auto',
      stream: true,
    })) as AsyncIterable<{ type: string; speaker?: string }>;
    const speakers = new Set<string | undefined>();
    let last = '';
    for await (const event of stream) {
      last = event.type;
      if (event.type === 'transcript.text.segment') speakers.add(event.speaker);
    }
    expect([...speakers].sort()).toEqual(['A', 'B']);
    expect(last).toBe('transcript.text.done');
  });

  it('translation', async () => {
    const { sdk } = client();
    const answer = await sdk.audio.translations.create({ file: file(), model: 'whisper-1' });
    expect(answer.text).toMatch(/new jersey/i);
  });

  it.each(['fil', 'no', 'zh'])('language %s is taken', async (language) => {
    const { sdk } = client();
    const short = await toFile(await readFile(clips.diane), 'a.wav');
    const answer = await sdk.audio.transcriptions.create({ file: short, model: 'whisper-1', language, prompt: '' });
    expect(answer.text.length).toBeGreaterThan(0);
  });

  it('models: a list, one of them, and one that is not there', async () => {
    const { sdk, requests } = client();
    const { data } = await sdk.models.list();
    expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining(['base', 'whisper-1', 'gpt-4o-transcribe']));
    for (const { created, object } of data) expect([Number.isInteger(created), object]).toEqual([true, 'model']);
    expect((await sdk.models.retrieve('whisper-1')).id).toBe('whisper-1');
    await expect(sdk.models.retrieve('nobody/has-this')).rejects.toMatchObject({ status: 404 });
    expect(requests).toHaveLength(3);
  });

  it('what is wrong is told once: no retry, and the name of the field', async () => {
    const { sdk, requests } = client();
    const noise = await toFile(Buffer.from('this is no audio at all'), 'a.wav');
    await expect(sdk.audio.transcriptions.create({ file: noise, model: 'whisper-1' })).rejects.toMatchObject({
      status: 400,
      message: expect.stringMatching(/failed to decode audio/),
      type: 'invalid_request_error',
      code: 'input_undecodable',
    });
    await expect(
      sdk.audio.transcriptions.create({ file: file(), model: 'whisper-1', temperature: 7 }),
    ).rejects.toMatchObject({ status: 400, param: 'temperature' });
    await expect(
      sdk.audio.transcriptions.create({ file: file(), model: 'whisper-1', response_format: 'docx' as 'json' }),
    ).rejects.toMatchObject({ status: 400, param: 'response_format' });
    await expect(sdk.audio.transcriptions.create({ file: file(), model: 'nobody-has-this' })).rejects.toMatchObject({
      status: 400,
      param: 'model',
    });
    await expect(sdk.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'Hello.' })).rejects.toMatchObject({
      status: 501,
      error: { message: expect.any(String), param: null },
    });
    expect(requests).toHaveLength(5);
  });

  it('a client that loses patience joins its own job: one run of the engine', async () => {
    const own = await withOtherBytes(clips.long, scratch.file(`patience-${_version.length}.wav`), _version.length);
    const { sdk, requests } = client({ timeout: 800, maxRetries: 30 });
    const upload = await toFile(await readFile(own), path.basename(own));
    const answer = await sdk.audio.transcriptions.create({ file: upload, model: 'whisper-1' });
    expect(answer.text).toMatch(/new jersey/i);
    expect(requests.length).toBeGreaterThan(1);
    expect(requests[1]!.headers.get('x-stainless-retry-count')).toBe('1');
    const jobs = (await allJobs(server.url)).filter(({ name }) => name === path.basename(own));
    expect(jobs).toMatchObject([{ state: 'succeeded', attempts: 1 }]);
  });
});

it('the errors are of the classes that programs catch', async () => {
  const sdk = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any' });
  const empty = scratch.file('empty.wav');
  await writeFile(empty, '');
  const refused = await sdk.audio.transcriptions
    .create({ file: createReadStream(empty), model: 'whisper-1' })
    .catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(BadRequestError);
  const missing = await sdk.models.retrieve('none').catch((error: unknown) => error);
  expect(missing).toBeInstanceOf(NotFoundError);
  expect((missing as APIError).requestID).toMatch(/\S/);
});
