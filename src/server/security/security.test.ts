import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../fixtures/test-server.ts';
import { defaultJobOptions } from '../webservice-options.ts';
import { ApiKeys, type KeyLimits, type Scope } from './api-keys.ts';
import { limitJobs } from './limited-jobs.ts';
import { RequestRates } from './request-rates.ts';

let server: TestServer;
/** As the command line opens it, beside the server. */
let keys: ApiKeys;

beforeEach(async () => {
  server = await startTestServer({ environment: { DIARIST_CORS_ORIGINS: 'https://app.example' } });
  keys = new ApiKeys(server.dataDir);
});
afterEach(async () => {
  keys[Symbol.dispose]();
  await server.close();
});

const makeKey = (limits: KeyLimits = {}, scopes: readonly Scope[] = ['audio:stt']) =>
  keys.create('ana', scopes, limits);

function transcribe(key: string | undefined, text = 'SAY hi', path = '/v1/audio/transcriptions'): Promise<Response> {
  const form = new FormData();
  form.set('model', 'whisper-1');
  form.set(path === '/asr' ? 'audio_file' : 'file', new Blob([text]), 'a.wav');
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  return fetch(server.url + path, { method: 'POST', body: form, headers });
}

describe('API keys', () => {
  it('lets everybody in until there is a key, then only those who show one, in any of three headers', async () => {
    expect((await transcribe(undefined)).status).toBe(200);
    const { key } = makeKey();
    const refused = await transcribe(undefined);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="diarist"']);
    expect(((await refused.json()) as { error: { type: string } }).error.type).toBe('authentication_error');
    for (const headers of [{ authorization: `Bearer ${key}` }, { 'api-key': key }, { 'x-api-key': key }]) {
      expect((await fetch(`${server.url}/api/jobs`, { headers })).status).toBe(200);
    }
    const wrong = `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`;
    for (const other of [wrong, 'sk-1', 'dia_000000000000_x', `${key} `, key.toUpperCase()]) {
      expect((await fetch(`${server.url}/api/jobs`, { headers: { 'x-api-key': other } })).status, other).toBe(
        other.trim() === key ? 200 : 401,
      );
    }
  });

  it('refuses a revoked key at once, and opens the server to nobody with the last one', async () => {
    const { key, facts } = makeKey();
    expect((await transcribe(key)).status).toBe(200);
    keys.revoke(facts.id);
    expect((await transcribe(key)).status).toBe(401);
    expect((await transcribe(undefined)).status).toBe(401);
  });

  it('leaves health and discovery open, and asks for the scope elsewhere', async () => {
    const { key } = makeKey({}, ['status:read']);
    for (const path of ['/health', '/livez', '/', '/v1/models', '/openapi.json']) {
      expect((await fetch(server.url + path)).status, path).toBe(200);
      expect((await fetch(server.url + path, { headers: { 'x-api-key': 'wrong' } })).status, path).toBe(200);
    }
    expect((await fetch(`${server.url}/metrics`)).status).toBe(401);
    expect((await fetch(`${server.url}/metrics`, { headers: { 'x-api-key': key } })).status).toBe(200);
    expect((await transcribe(key)).status).toBe(403);
    expect((await transcribe(makeKey({}, ['admin']).key)).status).toBe(200);
  });

  it('asks for audio:tts where a text is to be spoken', async () => {
    const speak = async (scope: Scope): Promise<number[]> => {
      const headers = { 'x-api-key': makeKey({}, [scope]).key };
      const paths = ['/v1/audio/speech', '/audio/speech'];
      return Promise.all(
        paths.map(async (path) => (await fetch(server.url + path, { method: 'POST', headers })).status),
      );
    };
    expect(await speak('audio:stt')).toEqual([403, 403]);
    expect(await speak('audio:tts')).toEqual([501, 501]);
  });

  it('shows nobody the jobs of another key', async () => {
    const [ana, ben] = [makeKey().key, makeKey().key];
    const job = (await transcribe(ana)).headers.get('x-diarist-job');
    const status = async (key: string): Promise<number> =>
      (await fetch(`${server.url}/api/jobs/${job}`, { headers: { 'x-api-key': key } })).status;
    expect([await status(ana), await status(ben)]).toEqual([200, 404]);
  });

  it('lets a key in whose use cannot be noted, as on a full disk', async () => {
    const { key } = makeKey();
    using database = new DatabaseSync(join(server.dataDir, 'keys.sqlite'));
    database.exec(`CREATE TRIGGER full BEFORE UPDATE ON keys BEGIN SELECT raise(FAIL, 'full'); END`);
    expect((await transcribe(key)).status).toBe(200);
    expect(keys.list()[0]?.lastUsedAt).toBeUndefined();
  });

  it('stores no key, only its hash', async () => {
    const { key, facts } = makeKey();
    expect(JSON.stringify(keys.list())).not.toContain(key.split('_')[2]);
    expect(keys.find(key)?.id).toBe(facts.id);
  });
});

describe('limits of a key', () => {
  it('holds the requests of a minute', async () => {
    const { key } = makeKey({ requestsPerMinute: 3 });
    const statuses: number[] = [];
    for (let index = 0; index < 4; index++) statuses.push((await transcribe(key)).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
    const refused = await transcribe(key);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(refused.headers.get('x-should-retry')).toBe('true');
  });

  it('does not count what needs no key', async () => {
    const { key } = makeKey({ requestsPerMinute: 1 });
    const headers = { 'x-api-key': key };
    for (const path of ['/health', '/v1/models', '/nothing']) await fetch(server.url + path, { headers });
    expect((await transcribe(key)).status).toBe(200);
    expect((await transcribe(key)).status).toBe(429);
    expect((await fetch(`${server.url}/livez`, { headers })).status).toBe(200);
  });

  it('refuses more audio than a day has, for good', async () => {
    const { key } = makeKey({ audioSecondsPerDay: 2 });
    expect((await transcribe(key, 'SAY one two three four')).status).toBe(200);
    const refused = await transcribe(key, 'SAY five');
    expect([refused.status, refused.headers.get('x-should-retry')]).toEqual([429, 'false']);
    expect(((await refused.json()) as { error: { code: string } }).error.code).toBe('quota_exceeded');
  });

  it('runs no more jobs at a time than allowed: callers of /asr wait, others are told to', async () => {
    const { key } = makeKey({ concurrentJobs: 1 });
    const first = transcribe(key, 'SAY first\nSLOW 300');
    await expect.poll(() => server.jobs.counts().running).toBe(1);
    expect((await transcribe(key, 'SAY second')).status).toBe(429);
    let most = 0;
    const stop = server.jobs.onChange(() => {
      most = Math.max(most, server.jobs.counts().running + server.jobs.counts().queued);
    });
    const waiting = await Promise.all(['a', 'b', 'c'].map((text) => transcribe(key, `SAY ${text}\nSLOW 40`, '/asr')));
    stop();
    expect(waiting.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(most).toBe(1);
    expect((await first).status).toBe(200);
  });

  it('make nobody wait who hung up, nor where the server stops', async () => {
    const { key } = makeKey({ concurrentJobs: 1 });
    const first = transcribe(key, 'SAY first\nSLOW 5000');
    await expect.poll(() => server.jobs.counts().running).toBe(1);
    const waiting = (text: string, signal?: AbortSignal): Promise<Response> => {
      const form = new FormData();
      form.set('audio_file', new Blob([text]), 'a.wav');
      const headers = { 'x-api-key': key };
      return fetch(`${server.url}/asr`, { method: 'POST', body: form, headers, ...(signal && { signal }) });
    };
    const uploads = (): number => readdirSync(server.jobs.uploadFolder).length;
    const left = new AbortController();
    const gone = waiting('SAY gone', left.signal).catch((error: Error) => error.name);
    await expect.poll(uploads).toBe(1);
    left.abort();
    expect(await gone).toBe('AbortError');
    // Its upload goes at once, and not when the first job has ended.
    await expect.poll(uploads).toBe(0);
    expect(server.jobs.counts().running).toBe(1);
    const late = waiting('SAY late');
    await expect.poll(uploads).toBe(1);
    const closed = server.close();
    expect((await late).status).toBe(503);
    await Promise.all([first, closed]);
  });

  it('give a turn on whose job never became a row', async () => {
    const limited = limitJobs(server.jobs, () => ({ concurrentJobs: 1 }), new AbortController().signal);
    const submit = (sha256: string): Promise<unknown> => {
      // It is not there, so that writing it to the disk fails when the turn is taken.
      const file = { path: join(server.jobs.uploadFolder, sha256), name: 'a.wav', bytes: 1, sha256 };
      const options = defaultJobOptions('base');
      return limited.submit({ file, options, client: 'ana', dialect: 'asr', durable: true }, { wait: true });
    };
    const outcomes = await Promise.allSettled([submit('a'), submit('b')]);
    expect(outcomes).toMatchObject([{ reason: { code: 'ENOENT' } }, { reason: { code: 'ENOENT' } }]);
  });

  it('are not for a retry, which joins the job that uses them up', async () => {
    const { key } = makeKey({ concurrentJobs: 1, audioSecondsPerDay: 1 });
    const first = transcribe(key, 'SAY one two three four five\nSLOW 300');
    await expect.poll(() => server.jobs.counts().running).toBe(1);
    const again = await transcribe(key, 'SAY one two three four five\nSLOW 300');
    expect(again.status).toBe(200);
    expect(again.headers.get('x-diarist-job')).toBe((await first).headers.get('x-diarist-job'));
  });
});

describe('RequestRates', () => {
  it('never lets more through in a minute than twice the rate, nor fewer than the rate', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.integer({ min: 0, max: 3000 })), (rate, gapsMs) => {
        const rates = new RequestRates();
        const passed: number[] = [];
        let now = 0;
        for (const gap of gapsMs) {
          now += gap;
          if (rates.take('k', rate, now) === 0) passed.push(now);
        }
        for (const start of passed) {
          const inMinute = passed.filter((time) => time >= start && time < start + 60_000).length;
          expect(inMinute).toBeLessThanOrEqual(2 * rate);
        }
        expect(passed.length).toBeGreaterThanOrEqual(Math.min(rate, gapsMs.length));
      }),
    );
  });
});

describe('pages of other origins', () => {
  it('may call where they are named', async () => {
    const origin = { origin: 'https://app.example' };
    const preflight = await fetch(`${server.url}/v1/audio/transcriptions`, {
      method: 'OPTIONS',
      headers: { ...origin, 'access-control-request-method': 'POST' },
    });
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect((await fetch(`${server.url}/api/jobs`, { headers: origin })).status).toBe(200);
  });
});
