import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engines } from '../../host/types.ts';
import { scriptedEngines } from '../fixtures/scripted-engines.ts';
import { startTestServer, type TestServer } from '../fixtures/test-server.ts';
import { ApiKeys, type KeyLimits } from './api-keys.ts';

/** Scripted engines whose calls beside the jobs end when the test says so. */
class HeldEngines {
  readonly #end = Promise.withResolvers<void>();
  running = 0;
  most = 0;
  readonly engines: Engines;

  constructor() {
    const scripted = scriptedEngines();
    this.engines = {
      ...scripted,
      detectLanguage: (...call) => this.#hold(() => scripted.detectLanguage(...call)),
      embedVoice: (...call) => this.#hold(() => scripted.embedVoice(...call)),
    };
  }

  end(): void {
    this.#end.resolve();
  }

  async #hold<T>(call: () => Promise<T>): Promise<T> {
    this.running++;
    this.most = Math.max(this.most, this.running);
    try {
      await this.#end.promise;
      return await call();
    } finally {
      this.running--;
    }
  }
}

let held: HeldEngines;
let server: TestServer;
let keys: ApiKeys;
beforeEach(async () => {
  held = new HeldEngines();
  server = await startTestServer({ engines: held.engines });
  keys = new ApiKeys(server.dataDir);
});
afterEach(async () => {
  held.end();
  keys[Symbol.dispose]();
  await server.close();
});

const makeKey = (limits: KeyLimits = {}): string => keys.create('ana', ['audio:stt'], limits).key;
const uploads = (): number => readdirSync(server.jobs.uploadFolder).length;

/** Patient enough for a machine that is busy. */
const soon = (value: () => number) => expect.poll(value, { timeout: 5000 });

function detect(key: string, signal?: AbortSignal): Promise<number | string> {
  const form = new FormData();
  form.set('audio_file', new Blob(['SAY hi']), 'a.wav');
  const init = { method: 'POST', body: form, headers: { 'x-api-key': key }, ...(signal && { signal }) };
  return fetch(`${server.url}/detect-language`, init).then(
    ({ status }) => status,
    (error: Error) => error.name,
  );
}

function transcribeWithVoice(key: string): Promise<number> {
  const form = new FormData();
  form.set('file', new Blob(['SAY hi']), 'a.wav');
  form.set('model', 'gpt-4o-transcribe-diarize');
  form.set('response_format', 'diarized_json');
  form.set('chunking_strategy', 'auto');
  form.set('known_speaker_names[]', 'Ana');
  form.set('known_speaker_references[]', `data:audio/wav;base64,${Buffer.from('SAY me').toString('base64')}`);
  const init = { method: 'POST', body: form, headers: { 'x-api-key': key } };
  return fetch(`${server.url}/v1/audio/transcriptions`, init).then(({ status }) => status);
}

describe('work of engines that is no job', () => {
  it('is done for four callers of a client at a time; the others wait, and other clients need not', async () => {
    const [ana, ben] = [makeKey(), makeKey()];
    const answers = [1, 2, 3].map(() => detect(ana));
    answers.push(transcribeWithVoice(ana));
    await soon(() => held.running).toBe(4);
    answers.push(detect(ana), detect(ana));
    // Three recordings, a recording with its voice, and two that wait.
    await soon(uploads).toBe(7);
    answers.push(detect(ben));
    await soon(() => held.running).toBe(5);
    held.end();
    expect(await Promise.all(answers)).toEqual(answers.map(() => 200));
    expect(held.most).toBe(5);
  });

  it('is done for sixteen callers of all clients at a time', async () => {
    const clients = Array.from({ length: 5 }, () => makeKey());
    const answers = clients.flatMap((key) => [1, 2, 3, 4].map(() => detect(key)));
    await soon(uploads).toBe(20);
    await soon(() => held.running).toBe(16);
    held.end();
    expect(await Promise.all(answers)).toEqual(answers.map(() => 200));
    expect(held.most).toBe(16);
  });

  it('is waited for until the caller hangs up or the server stops', async () => {
    const key = makeKey();
    const first = [1, 2, 3, 4].map(() => detect(key));
    await soon(() => held.running).toBe(4);
    const hangUp = new AbortController();
    const gone = detect(key, hangUp.signal);
    await soon(uploads).toBe(5);
    hangUp.abort();
    expect(await gone).toBe('AbortError');
    await soon(uploads).toBe(4);
    const late = detect(key);
    await soon(uploads).toBe(5);
    const closed = server.close();
    expect(await late).toBe(503);
    held.end();
    await Promise.all([...first, closed]);
  });

  it('is refused where the audio of the day is used up', async () => {
    held.end();
    const key = makeKey({ audioSecondsPerDay: 0.4 });
    expect(await detect(key)).toBe(200);
    expect(await transcribeWithVoice(key)).toBe(200);
    expect(await detect(key)).toBe(429);
  });
});
