import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOpenAI } from '@ai-sdk/openai';
import { transcribe } from 'ai';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptedEngines } from '../../fixtures/scripted-engines.ts';
import { startTestServer, type TestServer } from '../../fixtures/test-server.ts';
import { PacedEngines } from './fixtures/paced-engines.ts';
import { openaiDialect } from './index.ts';

const engines = scriptedEngines();
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ engines, dialects: [openaiDialect] });
});
afterAll(() => server.close());

const SAID = 'good morning and welcome';

const recording = (text = `SAY ${SAID}`): Promise<File> => toFile(Buffer.from(text), 'a.wav');

/** A client that counts what it sends. */
function countingClient({ url }: TestServer): { client: OpenAI; calls: () => number } {
  let calls = 0;
  const client = new OpenAI({
    baseURL: `${url}/v1`,
    apiKey: 'any',
    fetch: (input, init) => {
      // The package tries fetch itself on a data URL first.
      if (String(input).startsWith(url)) calls++;
      return fetch(input, init);
    },
  });
  return { client, calls: () => calls };
}

describe('the openai package', () => {
  it('understands every format', async () => {
    const { transcriptions } = countingClient(server).client.audio;
    const shared = { model: 'whisper-1', file: await recording() } as const;
    expect((await transcriptions.create({ ...shared, response_format: 'json' })).text).toBe(SAID);
    expect(await transcriptions.create({ ...shared, response_format: 'text' })).toBe(`${SAID}\n`);
    expect(await transcriptions.create({ ...shared, response_format: 'srt' })).toMatch(/^1\n00:00:00,000 --> /);
    expect(await transcriptions.create({ ...shared, response_format: 'vtt' })).toMatch(/^WEBVTT\n/);
    const verbose = await transcriptions.create({
      ...shared,
      response_format: 'verbose_json',
      timestamp_granularities: ['word', 'segment'],
    });
    expect(verbose.words?.map(({ word }) => word).join(' ')).toBe(SAID);
    expect(verbose.segments).toMatchObject([{ id: 0, start: 0, end: 1.9, text: SAID, avg_logprob: -0.1 }]);
    expect([verbose.duration, verbose.usage]).toEqual([2, { type: 'duration', seconds: 2 }]);
  });

  it('sends its newest options', async () => {
    const { transcriptions } = countingClient(server).client.audio;
    const { text, languages, logprobs } = await transcriptions.create({
      file: await recording(),
      model: 'gpt-transcribe',
      chunking_strategy: { type: 'server_vad', silence_duration_ms: 300 },
      include: ['logprobs'],
      keywords: ['Diarist', 'Ada'],
      languages: ['fr'],
      temperature: 0,
    });
    expect([text, languages]).toEqual([SAID, [{ code: 'fr' }]]);
    expect(logprobs?.map(({ token }) => token).join('')).toBe(SAID);
    expect(engines.calls.at(-1)!.options).toMatchObject({ hotwords: 'Diarist, Ada', language: 'fr' });
  });

  it('gets speakers', async () => {
    const diarized = (await countingClient(server).client.audio.transcriptions.create({
      file: await recording(),
      model: 'gpt-4o-transcribe-diarize',
      response_format: 'diarized_json',
      chunking_strategy: 'auto',
    })) as unknown as OpenAI.Audio.TranscriptionDiarized;
    expect(diarized.segments.map(({ speaker, text }) => `${speaker}: ${text}`)).toEqual([
      'A: good morning',
      'B: and welcome',
    ]);
  });

  it('uploads a file as a stream', async () => {
    const path = join(server.dataDir, 'talk.wav');
    await writeFile(path, `SAY ${SAID}\n${'x'.repeat(500_000)}`);
    const file = createReadStream(path);
    const { text } = await countingClient(server).client.audio.transcriptions.create({ file, model: 'whisper-1' });
    expect(text).toBe(SAID);
  });

  it('translates, and finds models', async () => {
    const { client } = countingClient(server);
    const { text } = await client.audio.translations.create({ file: await recording(), model: 'whisper-1' });
    expect([text, engines.calls.at(-1)!.options.task]).toEqual([SAID, 'translate']);
    expect((await client.models.list()).data.map(({ id }) => id)).toContain('whisper-1');
    await expect(client.models.retrieve('nonesuch')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  it('sends a request that is wrong, or that has failed for good, only once', async () => {
    const { client, calls } = countingClient(server);
    const create = async (text: string, model = 'whisper-1') =>
      client.audio.transcriptions.create({ file: await recording(text), model });
    await expect(create('SAY no', 'nonesuch')).rejects.toMatchObject({ status: 400, param: 'model' });
    await expect(create('FAIL input_undecodable')).rejects.toThrow('failed to decode audio');
    await expect(create('FAIL model_corrupt')).rejects.toMatchObject({ status: 500 });
    await expect(client.audio.speech.create({ input: 'Hi', model: 'tts-1', voice: 'alloy' })).rejects.toMatchObject({
      status: 501,
    });
    expect(calls()).toBe(4);
  });

  it('hears when to try again while the queue is full, and joins its own job', async () => {
    const paced = new PacedEngines();
    await using busy = await startTestServer({
      engines: paced.engines,
      dialects: [openaiDialect],
      environment: { DIARIST_QUEUE_LIMIT: '1', DIARIST_MAX_RUNNING: '1' },
    });
    const send = (text: string, voice?: string): Promise<Response> => {
      const form = new FormData();
      form.set('file', new Blob([text]), 'a.wav');
      if (voice !== undefined) {
        form.set('known_speaker_names[]', 'Ann');
        form.set('known_speaker_references[]', `data:audio/wav;base64,${Buffer.from(voice).toString('base64')}`);
      }
      return fetch(`${busy.url}/v1/audio/transcriptions`, { method: 'POST', body: form });
    };
    const state = async (wanted: { running: number; queued: number }): Promise<void> => {
      await expect.poll(() => busy.jobs.counts()).toMatchObject(wanted);
    };
    const running = send('one');
    await state({ running: 1, queued: 0 });
    const again = send('one');
    const queued = send('two', 'SAY me');
    await state({ running: 1, queued: 1 });
    const refused = await send('three');
    expect([refused.status, refused.headers.get('x-should-retry')]).toEqual([503, 'true']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(await refused.text()).not.toContain('invalid_request_error');
    // A voice that cannot be embedded is answered with 400 once it was tried.
    expect((await send('three', 'SILENT')).status).toBe(503);
    const accepted: string[] = [];
    busy.jobs.onChange((change) => change.kind === 'accepted' && accepted.push(change.as));
    const voiceAgain = send('two', 'SAY me');
    await expect.poll(() => accepted).toEqual(['joined']);
    paced.end('Done.');
    const answers = await Promise.all([running, again, queued, voiceAgain]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const [first, joined, other, otherJoined] = answers.map(({ headers }) => headers.get('x-diarist-job'));
    expect(joined).toBe(first);
    expect(other).not.toBe(first);
    expect(otherJoined).toBe(other);
  });
});

describe('the AI SDK', () => {
  it('transcribes, with every option it has', async () => {
    const provider = createOpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any' });
    const result = await transcribe({
      model: provider.transcription('whisper-1'),
      audio: Buffer.from(`SAY ${SAID}`),
      providerOptions: {
        openai: {
          language: 'de',
          prompt: 'Ada',
          temperature: 0,
          timestampGranularities: ['word', 'segment'],
          include: ['logprobs'],
        },
      },
    });
    expect([result.text, result.language, result.durationInSeconds]).toEqual([SAID, 'de', 2]);
    expect(result.segments).toMatchObject([{ text: SAID, startSecond: 0, endSecond: 1.9 }]);
  });

  it('gets speakers, and sends an object as JSON', async () => {
    const provider = createOpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any' });
    const result = await transcribe({
      model: provider.transcription('gpt-4o-transcribe-diarize'),
      audio: Buffer.from(`SAY ${SAID}`),
      providerOptions: { openai: { chunkingStrategy: { type: 'server_vad', threshold: 0.4 } } },
    });
    expect(result.providerMetadata.openai).toMatchObject({
      segments: [
        { speaker: 'A', text: 'good morning' },
        { speaker: 'B', text: 'and welcome' },
      ],
    });
  });
});
