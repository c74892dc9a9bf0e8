import OpenAI, { APIError, toFile } from 'openai';
import type { TranscriptionStreamEvent } from 'openai/resources/audio/transcriptions';
import { describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../fixtures/test-server.ts';
import { PacedEngines } from './fixtures/paced-engines.ts';
import { openaiDialect } from './index.ts';

async function pacedServer(
  environment: Record<string, string> = {},
): Promise<{ server: TestServer; paced: PacedEngines }> {
  const paced = new PacedEngines();
  const server = await startTestServer({ engines: paced.engines, dialects: [openaiDialect], environment });
  return { server, paced };
}

function formOf(fields: Record<string, string> = {}): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries({ stream: 'true', ...fields })) form.set(name, value);
  form.set('file', new Blob(['a recording']), 'a.wav');
  return form;
}

async function openStream(
  { url }: TestServer,
  fields: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`${url}/v1/audio/transcriptions`, {
    method: 'POST',
    body: formOf(fields),
    ...(signal && { signal }),
  });
}

async function sdkStream(server: TestServer): Promise<AsyncIterable<TranscriptionStreamEvent>> {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
  return client.audio.transcriptions.create({
    file: await toFile(Buffer.from('a recording'), 'a.wav'),
    model: 'gpt-4o-mini-transcribe',
    response_format: 'json',
    stream: true,
  });
}

describe('a streamed transcription', () => {
  it('tells each part when it is there, and ends with the same text', async () => {
    const { server, paced } = await pacedServer();
    await using _ = server;
    paced.say('Good morning.');
    const events = (await sdkStream(server))[Symbol.asyncIterator]();
    const next = async (): Promise<TranscriptionStreamEvent> => (await events.next()).value as TranscriptionStreamEvent;
    expect(await next()).toEqual({ type: 'transcript.text.delta', delta: 'Good morning.' });
    // Said only now: the first part has not waited for it.
    paced.say('And welcome.');
    expect(await next()).toEqual({ type: 'transcript.text.delta', delta: ' And welcome.' });
    paced.end('Good morning. And welcome.');
    expect(await next()).toEqual({
      type: 'transcript.text.done',
      text: 'Good morning. And welcome.',
      languages: [{ code: 'en' }],
      usage: {
        type: 'tokens',
        input_tokens: 100,
        output_tokens: 3,
        total_tokens: 103,
        input_token_details: { text_tokens: 0, audio_tokens: 100 },
        seconds: 2,
      },
    });
    expect(await events.next()).toEqual({ value: undefined, done: true });
  });

  it('never says in the end what it had not said before', async () => {
    const { server, paced } = await pacedServer();
    await using _ = server;
    paced.say('Good mourning.');
    paced.end('Good morning.');
    const events: TranscriptionStreamEvent[] = [];
    for await (const event of await sdkStream(server)) events.push(event);
    const told = events.map((event) => (event.type === 'transcript.text.delta' ? event.delta : '')).join('');
    expect(told).toBe('Good mourning.');
    expect(events.at(-1)).toMatchObject({ type: 'transcript.text.done', text: told });
  });

  it('is a stream of data lines that proxies must not hold back, without [DONE]', async () => {
    const { server, paced } = await pacedServer();
    await using _ = server;
    paced.say('One.');
    paced.end('One.');
    const response = await openStream(server, { response_format: 'diarized_json' });
    const { headers } = response;
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect([headers.get('cache-control'), headers.get('x-accel-buffering')]).toEqual(['no-cache, no-transform', 'no']);
    expect(headers.get('x-diarist-job')).toMatch(/\w/);
    const frames = (await response.text()).split('\n\n').filter((frame) => frame.startsWith('data: '));
    expect(frames.map((frame) => JSON.parse(frame.slice(6)).type)).toEqual([
      'transcript.text.delta',
      'transcript.text.segment',
      'transcript.text.done',
    ]);
    expect(JSON.parse(frames[1]!.slice(6))).toMatchObject({ id: 'seg_000', speaker: 'A', text: 'One.' });
  });

  it('replays the text of a stored result', async () => {
    const { server, paced } = await pacedServer({ DIARIST_RESULT_TTL: '1h' });
    await using _ = server;
    paced.say('Once.');
    paced.end('Once.');
    const [first, again] = [await openStream(server), await openStream(server)];
    expect(again.headers.get('x-diarist-job')).toBe(first.headers.get('x-diarist-job'));
    const text = await first.text();
    expect(text).toContain('"delta":"Once."');
    expect(await again.text()).toBe(text);
  });

  it('fails with a status of its own where it fails at once', async () => {
    const { server, paced } = await pacedServer();
    await using _ = server;
    paced.fail('input_undecodable');
    const response = await openStream(server);
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await response.json()).toMatchObject({ error: { code: 'input_undecodable', param: null } });
  });

  it('fails with an error event where it has begun', async () => {
    const { server, paced } = await pacedServer();
    await using _ = server;
    paced.say('One.');
    const events = (await sdkStream(server))[Symbol.asyncIterator]();
    await events.next();
    paced.fail('engine_out_of_memory');
    paced.fail('engine_out_of_memory');
    paced.fail('engine_out_of_memory');
    const failure = await events.next().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(APIError);
    expect(failure).toMatchObject({ code: 'engine_out_of_memory', type: 'server_error' });
  });

  it('stops the work when the client hangs up', async () => {
    const { server, paced } = await pacedServer();
    await using _ = server;
    paced.say('One.');
    const stop = new AbortController();
    const response = await openStream(server, {}, stop.signal);
    const reader = response.body!.getReader();
    await reader.read();
    stop.abort();
    await reader.read().catch(() => undefined);
    await paced.cancelled;
    const job = await server.jobs.wait(response.headers.get('x-diarist-job')!);
    expect([job.state, job.reason]).toEqual(['cancelled', 'disconnected']);
  });

  it('answers 202 to those who do not want to wait', async () => {
    const { server, paced } = await pacedServer();
    await using _ = server;
    const response = await fetch(`${server.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { prefer: 'respond-async' },
      body: formOf(),
    });
    expect(response.status).toBe(202);
    const { id } = (await response.json()) as { id: string };
    paced.end('One.');
    expect((await server.jobs.wait(id)).state).toBe('succeeded');
  });

  it('comes in one piece, with a warning, where the format cannot be streamed', async () => {
    const { server, paced } = await pacedServer();
    await using _ = server;
    paced.end('One.');
    const response = await openStream(server, { response_format: 'verbose_json' });
    expect(await response.json()).toMatchObject({ text: 'One.', warnings: [{ code: 'stream_ignored' }] });
  });
});
