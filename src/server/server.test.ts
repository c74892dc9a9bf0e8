import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, type ErrorCode } from '../core/errors.ts';
import { startTestServer, type TestServer } from './fixtures/test-server.ts';

interface ErrorBody {
  readonly detail?: string;
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

function recording(text: string, name = 'talk.wav'): FormData {
  const form = new FormData();
  form.set('audio_file', new Blob([text]), name);
  return form;
}

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ environment: { DIARIST_OPEN_METRICS: 'true' } });
});
afterAll(() => server.close());

/** Sends bytes as they are and reads until the server closes. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.write(bytes);
  return readAll(socket);
}

describe('paths and methods', () => {
  it('answers unknown paths with 404 and wrong methods with 405, in the envelope', async () => {
    for (const path of ['/nothing', '/v1/nothing', '/asr/more', '/test', '/..%2f..%2fetc/passwd']) {
      const response = await fetch(server.url + path);
      expect(response.status, path).toBe(404);
      const { error } = (await response.json()) as ErrorBody;
      expect(error).toEqual({
        message: expect.any(String),
        type: 'invalid_request_error',
        param: null,
        code: 'not_found',
      });
    }
    const wrong = await fetch(`${server.url}/asr`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
  });

  it('answers HEAD, OPTIONS, a trailing slash and doubled slashes', async () => {
    const head = await fetch(`${server.url}/health`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    const options = await fetch(`${server.url}/asr`, { method: 'OPTIONS' });
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'POST, OPTIONS']);
    expect((await fetch(`${server.url}//health/`)).status).toBe(200);
  });

  it('answers what is no HTTP with a 400, and closes', async () => {
    for (const bytes of [
      'GARBAGE\r\n\r\n',
      'GET /health HTTP/1.1\r\nBad Header\r\n\r\n',
      'GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    ]) {
      const answer = await raw(bytes);
      expect(answer, bytes).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer, bytes).toContain('"type":"invalid_request_error"');
    }
    const long = await raw(`GET /health HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(100_000)}\r\n\r\n`);
    expect(long).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('gives back the id of a request, and makes one where there is none worth having', async () => {
    const given = await fetch(`${server.url}/livez`, { headers: { 'x-request-id': 'abc-1' } });
    expect(given.headers.get('x-request-id')).toBe('abc-1');
    const made = await fetch(`${server.url}/livez`, { headers: { 'x-request-id': 'a b"c' } });
    expect(made.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('sends security headers, and lets no page of another origin in', async () => {
    const response = await fetch(`${server.url}/health`, { headers: { origin: 'http://evil.example' } });
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
    const post = await fetch(`${server.url}/asr`, {
      ...{ method: 'POST', body: recording('SAY hi') },
      headers: { origin: 'http://evil.example' },
    });
    expect(post.status).toBe(403);
  });
});

describe('errors of jobs', () => {
  it('have the status, type and headers that clients act on, for every code of the catalogue', async () => {
    for (const code of Object.keys(ERROR_CATALOGUE) as ErrorCode[]) {
      if (code === 'cancelled' || ERROR_CATALOGUE[code].retryable) continue;
      const response = await fetch(`${server.url}/asr`, { method: 'POST', body: recording(`FAIL ${code}\n`) });
      const { error, detail } = (await response.json()) as ErrorBody;
      expect(response.status, code).toBe(ERROR_CATALOGUE[code].httpStatus);
      expect(response.headers.get('x-should-retry'), code).toBe('false');
      expect(response.headers.get('x-diarist-job'), code).toMatch(/^job_/);
      expect(error.code).toBe(code);
      expect(detail).toBe(error.message);
      const isPermanent = response.status < 500 && ![409, 429].includes(response.status);
      expect(error.type === 'invalid_request_error', code).toBe(isPermanent && response.status !== 401);
    }
  });

  it('say "failed to decode audio" where another encoding could help', async () => {
    const response = await fetch(`${server.url}/asr`, { method: 'POST', body: recording('FAIL input_undecodable') });
    expect(((await response.json()) as ErrorBody).error.message).toMatch(/^failed to decode audio: /);
  });

  it('tell nothing of the inside, and the log knows the request', async () => {
    const response = await fetch(`${server.url}/asr`, { method: 'POST', body: recording('FAIL internal') });
    const body = await response.text();
    expect([response.status, body.includes('as it was told to')]).toEqual([500, false]);
    expect(body).toContain(response.headers.get('x-request-id'));
    const id = response.headers.get('x-request-id');
    expect(server.log.some((line) => line.reqId === id && line.err !== undefined)).toBe(true);
  });
});

describe('operations', () => {
  it('say that the server lives, what it has, and that models are missing', async () => {
    const health = (await (await fetch(`${server.url}/health`)).json()) as Record<string, unknown>;
    expect(health).toMatchObject({
      ...{ status: 'healthy', diarizer_loaded: false, ready: false, loaded_models: expect.any(Array) },
      queue: { queued: 0, running: 0, limit: 256 },
    });
    const ready = await fetch(`${server.url}/readyz`);
    expect(ready.status).toBe(503);
    const { missing } = (await ready.json()) as { missing: { name: string }[] };
    expect(missing.map(({ name }) => name)).toEqual(['base', 'segmentation-3.0', 'campplus']);
  });

  it('count requests, jobs and audio', async () => {
    await (await fetch(`${server.url}/asr`, { method: 'POST', body: recording('SAY one two three four') })).text();
    await expect
      .poll(async () => (await fetch(`${server.url}/metrics`)).text())
      .toMatch(/diarist_http_request_duration_seconds_count\{method="POST",route="\/asr",status="200"\} 1/);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/diarist_audio_seconds_total\{model="base"\} 2\n/);
    expect(metrics).toMatch(/diarist_http_errors_total\{code="not_found",route="unknown"\} \d/);
    expect(metrics).toMatch(/diarist_event_loop_delay_seconds\{quantile="0.99"\} [\d.e-]+\n/);
  });

  it('describe every route, with forms, answers and errors', async () => {
    const response = await fetch(`${server.url}/openapi.json`);
    const document = (await response.json()) as {
      openapi: string;
      paths: Record<string, Record<string, { responses: Record<string, unknown>; requestBody?: { content: object } }>>;
    };
    expect(document.openapi).toBe('3.1.0');
    const asr = document.paths['/asr']!.post!;
    expect(Object.keys(asr.responses)).toEqual(
      expect.arrayContaining(['200', '400', '401', '413', '429', '500', '503']),
    );
    expect(JSON.stringify(asr.requestBody)).toContain('"audio_file"');
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        expect(operation, `${method} ${path}`).toMatchObject({
          summary: expect.any(String),
          tags: [expect.any(String)],
        });
      }
    }
  });

  it('log what happened and nothing of what was said', async () => {
    const form = recording('SAY secretword', 'secretname.wav');
    form.set('initial_prompt', 'secretprompt');
    await (await fetch(`${server.url}/asr?hotwords=secrethotword`, { method: 'POST', body: form })).text();
    await expect.poll(() => server.log.filter((line) => line.route === '/asr').length).toBeGreaterThan(0);
    const line = server.log.findLast((one) => one.route === '/asr' && one.status === 200)!;
    expect(line).toMatchObject({ method: 'POST', ms: expect.any(Number), jobId: expect.stringMatching(/^job_/) });
    expect(JSON.stringify(server.log)).not.toContain('secret');
  });
});

describe('a caller who does not wait', () => {
  it('gets 202 with the job, which can be followed', async () => {
    const response = await fetch(`${server.url}/asr`, {
      ...{ method: 'POST', body: recording('SAY later\nSLOW 60') },
      headers: { prefer: 'wait=5, respond-async' },
    });
    expect([response.status, response.headers.get('preference-applied')]).toEqual([202, 'respond-async']);
    const { id } = (await response.json()) as { id: string };
    expect(response.headers.get('location')).toBe(`/api/jobs/${id}`);
    await expect
      .poll(async () => ((await (await fetch(`${server.url}/api/jobs/${id}`)).json()) as { state: string }).state)
      .toBe('succeeded');
  });
});

describe('the end', () => {
  it('lets running jobs finish, refuses new ones, and leaves nothing behind', async () => {
    await using ending = await startTestServer({ environment: { DIARIST_SHUTDOWN_SECONDS: '10' } });
    const running = fetch(`${ending.url}/asr`, { method: 'POST', body: recording('SAY the end\nSLOW 600') });
    await expect.poll(() => ending.jobs.counts().running).toBe(1);
    const closed = ending.close();
    const ready = await fetch(`${ending.url}/readyz`);
    expect([ready.status, ((await ready.json()) as { status: string }).status]).toEqual([503, 'stopping']);
    const refused = await fetch(`${ending.url}/asr`, { method: 'POST', body: recording('SAY too late') });
    expect([refused.status, refused.headers.get('x-should-retry')]).toEqual([503, 'true']);
    expect(((await (await running).json()) as { text: string }).text).toBe('the end');
    await closed;
    await expect(fetch(`${ending.url}/livez`)).rejects.toThrow();
  });

  it('does not wait for a client that listens to events', async () => {
    const ending = await startTestServer({ environment: { DIARIST_SHUTDOWN_SECONDS: '0.2' } });
    const accepted = await fetch(`${ending.url}/api/jobs`, { method: 'POST', body: recording('SLOW 60000') });
    const { id } = (await accepted.json()) as { id: string };
    const events = await fetch(`${ending.url}/api/jobs/${id}/events`);
    const startedAt = performance.now();
    await ending.close();
    expect(performance.now() - startedAt).toBeLessThan(5000);
    await events.text().catch(() => '');
  });
});

describe('tracing', () => {
  it('sends spans of the request and its job to the collector, in the trace of the caller', async () => {
    const spans: { name: string; traceId: string }[] = [];
    await using collector = createServer(async (request, response) => {
      const body = JSON.parse(await readAll(request)) as {
        resourceSpans: { scopeSpans: { spans: { name: string; traceId: string }[] }[] }[];
      };
      spans.push(...body.resourceSpans.flatMap((one) => one.scopeSpans.flatMap((scope) => scope.spans)));
      response.end('{}');
    });
    collector.listen(0, '127.0.0.1');
    await once(collector, 'listening');
    const { port } = collector.address() as AddressInfo;
    const traced = await startTestServer({ environment: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}/` } });
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    await (await fetch(`${traced.url}/asr`, { method: 'POST', body: recording('SAY hi'), headers })).text();
    const sameId = { 'x-request-id': 'twice' };
    await Promise.all(
      ['a', 'b'].map(async (text) => {
        const body = recording(`SAY ${text}\nSLOW 100`);
        await (await fetch(`${traced.url}/asr`, { method: 'POST', body, headers: sameId })).text();
      }),
    );
    await traced.close();
    expect(spans.filter(({ name }) => name === 'POST /asr')).toHaveLength(3);
    expect(spans.find(({ name }) => name === 'POST /asr')?.traceId).toBe(traceId);
    expect(spans.map(({ name }) => name)).toContain('job');
    collector.closeAllConnections();
  });
});

describe('files', () => {
  it('keeps keys for its owner only', () => {
    expect(statSync(join(server.dataDir, 'keys.sqlite')).mode & 0o077).toBe(0);
    expect(readdirSync(server.jobs.uploadFolder)).toEqual([]);
  });
});
