import { createHash, randomUUID } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../fixtures/test-server.ts';
import { defaultJobOptions } from '../../webservice-options.ts';
import { allEvents, readEvents, type ServerEvent } from './fixtures/read-events.ts';
import { acceptedJobSchema, deliveriesSchema, jobPageSchema, jobSchema } from './schemas.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    environment: { DIARIST_ALLOWED_HOSTS: '127.0.0.1', DIARIST_MAX_RUNNING: '4', DIARIST_RESULT_TTL: '24h' },
  });
});
afterAll(() => server.close());

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into bodies of every shape.
  readonly json: any;
}

async function call(method: string, path: string, init: RequestInit = {}): Promise<Reply> {
  const response = await fetch(server.url + path, { method, ...init });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

const inJson = (body: unknown): RequestInit => ({
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
});

let recordings = 0;

async function submit(recording: string, fields: Record<string, string> = {}, name = 'meeting.mp3'): Promise<Reply> {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.set(field, value);
  // No two tests share a recording, so that none gets the result of another.
  form.set('file', new Blob([`${recording}\n# ${recordings++}`]), name);
  return call('POST', '/api/jobs', { body: form });
}

async function submitted(recording: string, fields: Record<string, string> = {}): Promise<string> {
  const { status, json } = await submit(recording, fields);
  expect(status).toBe(202);
  return json.id as string;
}

async function ended(id: string): Promise<string> {
  return (await server.jobs.wait(id)).state;
}

async function uploads(): Promise<string[]> {
  return readdir(server.jobs.uploadFolder);
}

/** A job of somebody else. */
async function strangersJob(): Promise<string> {
  const path = join(server.jobs.uploadFolder, randomUUID());
  const bytes = Buffer.from('SAY private words');
  await writeFile(path, bytes);
  const { job } = await server.jobs.submit({
    file: { path, name: 'private.wav', bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') },
    options: defaultJobOptions('base'),
    client: 'somebody else',
    dialect: 'asr',
    durable: true,
  });
  return job.id;
}

async function listening(listener: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const http = createServer(listener);
  await new Promise<void>((ready) => void http.listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((closed) => void http.close(closed));
    },
  };
}

describe('POST /api/jobs', () => {
  it('accepts a recording with the options of /asr, and says where the job is', async () => {
    const { status, headers, json } = await submit('SAY hello there', {
      language: 'German',
      num_speakers: '2',
      word_timestamps: 'false',
    });
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(`/api/jobs/${json.id}`);
    expect(headers.get('x-diarist-job')).toBe(json.id);
    expect(acceptedJobSchema.parse(json)).toEqual(json);
    expect(json).toMatchObject({
      as: 'new',
      dialect: 'jobs',
      name: 'meeting.mp3',
      options: { language: 'de', num_speakers: 2, word_timestamps: false, diarize: true },
    });
    expect(await ended(json.id)).toBe('succeeded');
    const later = await call('GET', `/api/jobs/${json.id}`);
    expect(jobSchema.parse(later.json)).toEqual(later.json);
    expect(later.json).toMatchObject({ state: 'succeeded', progress: 1, attempts: 1, audioSeconds: 1 });
  });

  it('gives the same recording its stored result, unless a new run is asked for', async () => {
    const send = (fields: Record<string, string>) => {
      const form = new FormData();
      for (const [field, value] of Object.entries(fields)) form.set(field, value);
      form.set('file', new Blob(['SAY the same']), 'a.wav');
      return call('POST', '/api/jobs', { body: form });
    };
    const first = await send({});
    expect(await ended(first.json.id)).toBe('succeeded');
    expect((await send({})).json).toMatchObject({ id: first.json.id, as: 'stored', state: 'succeeded' });
    const again = await send({ reuse: 'false' });
    expect(again.json.as).toBe('new');
    expect(again.json.id).not.toBe(first.json.id);
  });

  it('fetches a recording from its URL', async () => {
    await using site = await listening((_, response) => void response.end('SAY fetched words'));
    const { status, json } = await call('POST', '/api/jobs', inJson({ url: `${site.url}/talk.mp3`, diarize: false }));
    expect(status).toBe(202);
    expect(await ended(json.id)).toBe('succeeded');
    expect((await call('GET', `/api/jobs/${json.id}/transcript?format=txt`)).text).toContain('fetched words');
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['an address inside the network', { url: 'http://10.0.0.1/a.mp3' }, 'url'],
    ['a URL of another kind', { url: 'file:///etc/passwd' }, 'url'],
    ['a webhook inside the network', { url: 'http://127.0.0.1:9/', webhook_url: 'http://169.254.169.254/' }, 'webhook'],
    ['a secret without a webhook', { url: 'http://127.0.0.1:9/', webhook_secret: 'whsec_AAAA' }, 'webhook_url'],
    ['neither a file nor a URL', {}, 'file'],
    ['a range upside down', { url: 'http://127.0.0.1:9/', min_speakers: 3, max_speakers: 2 }, 'min_speakers'],
  ])('refuses %s with one sentence', async (_, body) => {
    const { status, json } = await call('POST', '/api/jobs', inJson(body));
    expect([400, 403]).toContain(status);
    expect(Object.keys(json.error).sort()).toEqual(['code', 'message', 'param', 'type']);
    expect(json.error.message).toMatch(/[.]$/);
  });

  it('refuses a file together with a URL, and keeps no file', async () => {
    const { status, json } = await submit('SAY hello', { url: 'http://127.0.0.1:9/' });
    expect([status, json.error.param]).toEqual([400, 'url']);
    expect(await uploads()).toEqual([]);
  });

  it('tells a webhook, and shows the deliveries', async () => {
    const { promise: told, resolve } = Promise.withResolvers<{ id: unknown; body: string }>();
    await using receiver = await listening(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      response.writeHead(204).end();
      resolve({ id: request.headers['webhook-id'], body: Buffer.concat(chunks).toString() });
    });
    const id = await submitted('SAY ring', { webhook_url: `${receiver.url}/hook` });
    const delivery = await told;
    expect(delivery.body).toContain(id);
    await expect
      .poll(async () => (await call('GET', `/api/jobs/${id}/deliveries`)).json.deliveries[0])
      .toMatchObject({ id: delivery.id, attempt: 1, state: 'delivered', httpStatus: 204 });
    const { json } = await call('GET', `/api/jobs/${id}/deliveries`);
    expect(deliveriesSchema.parse(json)).toEqual(json);
  });
});

describe('GET /api/jobs', () => {
  it('pages through the own jobs, newest first, and filters them', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) ids.push(await submitted(`SAY page ${index}`));
    const failed = await submitted('FAIL input_undecodable');
    await Promise.all([...ids, failed].map(ended));
    const strange = await strangersJob();

    const seen: string[] = [];
    let cursor = '';
    do {
      const { status, json } = await call('GET', `/api/jobs?limit=2&state=succeeded${cursor}`);
      expect(status).toBe(200);
      expect(jobPageSchema.parse(json)).toEqual(json);
      expect(json.jobs.length).toBeLessThanOrEqual(2);
      seen.push(...json.jobs.map(({ id }: { id: string }) => id));
      cursor = json.next === undefined ? '' : `&cursor=${json.next}`;
    } while (cursor !== '');
    expect(seen.slice(0, 5)).toEqual(ids.toReversed());
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).not.toContain(failed);
    expect(seen).not.toContain(strange);
    const failures = (await call('GET', '/api/jobs?state=failed,cancelled&dialect=jobs')).json;
    expect(failures.jobs[0]).toMatchObject({ id: failed, error: { code: 'input_undecodable' } });
    expect((await call('GET', '/api/jobs?dialect=openai')).json.jobs).toEqual([]);
  });

  it.each(['limit=0', 'limit=201', 'limit=many', 'state=asleep'])('refuses %s', async (query) => {
    const { status, json } = await call('GET', `/api/jobs?${query}`);
    expect([status, json.error.param]).toEqual([400, query.split('=')[0]]);
  });
});

describe('GET /api/jobs/{id}', () => {
  it('shows where the job stands in the queue, its stage and its progress', async () => {
    const running = await Promise.all(Array.from({ length: 4 }, () => submitted('SLOW 60000')));
    const waiting = await submitted('SAY at last');
    expect((await call('GET', `/api/jobs/${waiting}`)).json).toMatchObject({ state: 'queued', queuePosition: 0 });
    await expect
      .poll(async () => (await call('GET', `/api/jobs/${running[0]}`)).json)
      .toMatchObject({ state: 'running', stage: 'transcribe', progress: expect.any(Number) });
    for (const id of running) await call('POST', `/api/jobs/${id}/cancel`);
    expect(await ended(waiting)).toBe('succeeded');
  });

  it.each(['', '/transcript', '/events', '/deliveries'])(
    'answers 404 to %s of a job that is not there',
    async (path) => {
      for (const id of ['nothing', await strangersJob()]) {
        const { status, json } = await call('GET', `/api/jobs/${id}${path}`);
        expect([status, json.error.code]).toEqual([404, 'not_found']);
      }
    },
  );

  it('lets nobody touch the job of another client', async () => {
    const id = await strangersJob();
    for (const [method, path] of [
      ['DELETE', ''],
      ['POST', '/cancel'],
      ['POST', '/rerun'],
    ] as const) {
      expect((await call(method, `/api/jobs/${id}${path}`)).status).toBe(404);
    }
    expect(server.jobs.get(id)).toBeDefined();
  });
});

describe('GET /api/jobs/{id}/transcript', () => {
  it.each([
    ['json', 'application/json; charset=utf-8', /"schema": "diarist.transcript\/1"/],
    ['srt', 'application/x-subrip; charset=utf-8', /^1\n00:00:00,000 --> /],
    ['vtt', 'text/vtt; charset=utf-8', /^WEBVTT\n/],
    ['tsv', 'text/tab-separated-values; charset=utf-8', /^start\tend\ttext/],
    ['txt', 'text/plain; charset=utf-8', /good/],
    ['rttm', 'text/plain; charset=utf-8', /^SPEAKER \S+ 1 /],
  ])('is had as %s', async (format, type, content) => {
    const { json: job } = await submit('SAY good morning', {}, 'Köln.mp3');
    await ended(job.id);
    const { status, headers, text } = await call('GET', `/api/jobs/${job.id}/transcript?format=${format}`);
    expect([status, headers.get('content-type')]).toEqual([200, type]);
    expect(text).toMatch(content);
    expect(headers.get('content-disposition')).toBe(
      `attachment; filename="K_ln.${format}"; filename*=UTF-8''K%C3%B6ln.${format}`,
    );
  });

  it('is 409 before the end, and 404 with the reason where there will be none', async () => {
    const running = await submitted('SLOW 60000');
    expect((await call('GET', `/api/jobs/${running}/transcript`)).status).toBe(409);
    await call('POST', `/api/jobs/${running}/cancel`);
    await ended(running);
    const cancelled = await call('GET', `/api/jobs/${running}/transcript`);
    expect([cancelled.status, cancelled.json.error.message]).toEqual([404, expect.stringContaining('cancelled')]);
    const broken = await submitted('FAIL input_undecodable');
    await ended(broken);
    const failed = await call('GET', `/api/jobs/${broken}/transcript`);
    expect([failed.status, failed.json.error.message]).toEqual([404, expect.stringContaining('failed')]);
  });

  it('refuses a format that there is none of', async () => {
    const { status, json } = await call('GET', '/api/jobs/nothing/transcript?format=docx');
    expect([status, json.error.code, json.error.param]).toEqual([400, 'unknown_format', 'format']);
  });
});

it('stands in the log under its id', async () => {
  const id = await submitted('SAY hi');
  await expect.poll(() => server.log.some(({ msg, jobId }) => msg === 'request' && jobId === id)).toBe(true);
});

describe('GET /api/jobs/{id}/events', () => {
  async function events(id: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(`${server.url}/api/jobs/${id}/events`, init);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    return response;
  }

  it('are not listened to by a HEAD request, which nobody hears the answer of', async () => {
    const response = await fetch(`${server.url}/api/jobs/job_x/events`, { method: 'HEAD' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, OPTIONS']);
  });

  it('tells what happens as it happens, and ends with the job', async () => {
    const id = await submitted('SAY one two three four\nSLOW 200');
    const seen = await allEvents(await events(id));
    const ids = seen.map((event) => event.id);
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
    const kinds = new Set(seen.map(({ event }) => event));
    expect(kinds).toEqual(new Set(['state', 'progress', 'part']));
    expect(seen.at(-1)).toMatchObject({ event: 'state', data: { kind: 'state', state: 'succeeded' } });
    expect(
      seen.filter(({ event }) => event === 'part').map(({ data }) => (data.part as { text: string }).text),
    ).toEqual(['one two', 'three four']);
  });

  it('goes on behind the last event that a listener saw, without loss or repetition', async () => {
    const id = await submitted('SAY one two three four\nSLOW 400');
    const seen: ServerEvent[] = [];
    for (let connection = 0; connection < 50 && seen.at(-1)?.data.state !== 'succeeded'; connection++) {
      const controller = new AbortController();
      const last = seen.at(-1)?.id;
      const init = last === undefined ? {} : { headers: { 'last-event-id': String(last) } };
      let taken = 0;
      for await (const event of readEvents(await events(id, { ...init, signal: controller.signal }))) {
        seen.push(event);
        taken++;
        // The connection breaks after two events.
        if (taken === 2) break;
      }
      controller.abort();
    }
    const whole = await allEvents(await events(id));
    // Of progress only the newest is kept, so that those who come late hear less of it.
    const lasting = (list: ServerEvent[]) => list.filter(({ event }) => event !== 'progress');
    expect(lasting(seen)).toEqual(lasting(whole));
    const ids = seen.map((event) => event.id);
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
    expect(await allEvents(await fetch(`${server.url}/api/jobs/${id}/events?after=${whole.at(-2)!.id}`))).toEqual(
      whole.slice(-1),
    );
  });

  it('tells a browser that comes back after the end to stay away', async () => {
    const id = await submitted('SAY done');
    await ended(id);
    const last = (await allEvents(await events(id))).at(-1)!.id;
    const { status } = await call('GET', `/api/jobs/${id}/events`, { headers: { 'last-event-id': String(last) } });
    expect(status).toBe(204);
  });

  it('does not keep a job running whose listener left, nor cancel it', async () => {
    const id = await submitted('SAY still here\nSLOW 200');
    const controller = new AbortController();
    const response = await events(id, { signal: controller.signal });
    await readEvents(response).next();
    controller.abort();
    expect(await ended(id)).toBe('succeeded');
  });

  it('refuses a position that is none', async () => {
    const id = await submitted('SAY done');
    expect((await call('GET', `/api/jobs/${id}/events?after=yesterday`)).status).toBe(400);
  });
});

describe('what can be done with a job', () => {
  it('cancels it, once', async () => {
    const id = await submitted('SLOW 60000');
    const first = await call('POST', `/api/jobs/${id}/cancel`);
    expect([first.status, first.json]).toMatchObject([200, { state: 'cancelled', reason: 'client' }]);
    const second = await call('POST', `/api/jobs/${id}/cancel`);
    expect([second.status, second.json.state]).toEqual([200, 'cancelled']);
    const done = await submitted('SAY done');
    await ended(done);
    expect((await call('POST', `/api/jobs/${done}/cancel`)).json.state).toBe('succeeded');
  });

  it('deletes it', async () => {
    const id = await submitted('SAY gone');
    await ended(id);
    const { status, text } = await call('DELETE', `/api/jobs/${id}`);
    expect([status, text]).toEqual([204, '']);
    expect((await call('GET', `/api/jobs/${id}`)).status).toBe(404);
    expect((await call('DELETE', `/api/jobs/${id}`)).status).toBe(404);
  });

  it('runs it again with other options, and takes one back', async () => {
    const id = await submitted('SAY again', { language: 'de', num_speakers: '2' });
    await ended(id);
    const { status, headers, json } = await call(
      'POST',
      `/api/jobs/${id}/rerun`,
      inJson({ diarize: false, language: 'auto' }),
    );
    expect([status, headers.get('location')]).toEqual([202, `/api/jobs/${json.id}`]);
    expect(json.id).not.toBe(id);
    expect(json.options).toMatchObject({ diarize: false, num_speakers: 2 });
    expect(json.options).not.toHaveProperty('language');
    expect(await ended(json.id)).toBe('succeeded');
    const plain = await call('POST', `/api/jobs/${id}/rerun?task=translate`);
    expect(plain.json.options).toMatchObject({ task: 'translate', language: 'de' });
    const refused = await call('POST', `/api/jobs/${id}/rerun`, inJson({ task: 'sing' }));
    expect([refused.status, refused.json.error.param]).toEqual([400, 'task']);
  });
});
