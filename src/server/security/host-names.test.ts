import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { answerErrors } from '../error-handling.ts';
import { startTestServer, type TestServer } from '../fixtures/test-server.ts';
import type { Dialect } from '../types.ts';
import { ApiKeys } from './api-keys.ts';
import { authenticate } from './authentication.ts';
import { HostNames } from './host-names.ts';

/** What a browser sends whose page lets its own name point here; `fetch` does not let one set the header. */
async function get(
  server: TestServer,
  path: string,
  headers: Record<string, string>,
): Promise<{ status: number | undefined; body: string }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(server.url + path, { headers }, resolve)
      .on('error', reject)
      .end();
  });
  return { status: response.statusCode, body: await readAll(response) };
}

const statusFor = async (server: TestServer, host: string, path = '/api/jobs'): Promise<number | undefined> =>
  (await get(server, path, { host })).status;

/** A route of those who run the server. */
const adminDialect: Dialect = (app) => {
  app.get('/admin', { config: { scope: 'admin' } }, async () => ({}));
};

describe('a server without keys', () => {
  it('answers under names of its own machine alone, and under those that are listed', async () => {
    await using server = await startTestServer({
      environment: { DIARIST_PUBLIC_HOSTS: 'speech.example.org', DIARIST_CORS_ORIGINS: 'https://app.example:8443' },
    });
    const { port } = new URL(server.url);
    for (const own of [
      `127.0.0.1:${port}`,
      '[::1]:9000',
      'localhost',
      'diarist:9000',
      'Speech.Example.org',
      'app.example',
    ]) {
      expect(await statusFor(server, own), own).toBe(200);
    }
    for (const foreign of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1.evil.example',
      'localhost.evil.example',
    ]) {
      expect(await statusFor(server, foreign), foreign).toBe(403);
    }
    const refused = await get(server, '/api/jobs', { host: 'evil.example', 'x-api-key': 'any' });
    expect([refused.status, refused.body]).toEqual([403, expect.stringContaining('DIARIST_PUBLIC_HOSTS')]);
    expect(await statusFor(server, 'evil.example', '/v1/models')).toBe(403);
    expect(await statusFor(server, 'evil.example', '/health')).toBe(200);
    expect(await statusFor(server, 'evil.example', '/livez')).toBe(200);
    expect(await statusFor(server, 'evil.example', '/readyz')).toBe(503);
  });

  it('answers under every name once it has keys, to those who show one', async () => {
    await using server = await startTestServer();
    using keys = new ApiKeys(server.dataDir);
    const { key } = keys.create('ana', ['audio:stt'], {});
    const headers = { host: 'speech.example.org' };
    expect((await get(server, '/api/jobs', { ...headers, 'x-api-key': key })).status).toBe(200);
    expect((await get(server, '/api/jobs', headers)).status).toBe(401);
    expect((await get(server, '/v1/models', headers)).status).toBe(200);
  });

  it('answers under every name where strangers are let in, but not to pages of other origins', async () => {
    await using server = await startTestServer({ environment: { DIARIST_ALLOW_ANONYMOUS: 'true' } });
    expect(await statusFor(server, 'speech.example.org')).toBe(200);
    const headers = { origin: 'http://evil.example' };
    expect((await fetch(`${server.url}/asr`, { method: 'POST', headers })).status).toBe(403);
  });

  it('lets the person at this machine do everything, and strangers no more than speech', async () => {
    const statusAt = async (environment: Record<string, string>): Promise<number> => {
      await using server = await startTestServer({ environment, dialects: [adminDialect] });
      return (await fetch(`${server.url}/admin`)).status;
    };
    expect(await statusAt({})).toBe(200);
    expect(await statusAt({ DIARIST_ALLOW_ANONYMOUS: 'true' })).toBe(403);
  });
});

describe('a server that other machines can call', () => {
  it('makes nobody an admin who shows no key, even if its keys are lost', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'diarist-keys-'));
    try {
      using keys = new ApiKeys(folder);
      await using app = fastify();
      app.decorateRequest('client');
      answerErrors(app);
      const hosts = new HostNames([], []);
      authenticate(app, { keys, allowAnonymous: false, origins: [], hosts, isLoopback: false });
      app.get('/admin', { config: { scope: 'admin' } }, async () => ({}));
      app.get('/speech', async () => ({}));
      const status = async (url: string): Promise<number> => (await app.inject(url)).statusCode;
      expect([await status('/admin'), await status('/speech')]).toEqual([403, 200]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('HostNames', () => {
  it('knows addresses, local names and listed ones, and nothing that only looks like them', () => {
    const names = new HostNames(['a.example'], ['https://b.example:8443', 'null']);
    for (const own of [
      '',
      '10.0.0.1',
      '[fe80::1]:80',
      'x.localhost',
      'LOCALHOST.',
      'nas',
      'a.example.:1',
      'b.example',
    ]) {
      expect(names.accepts(own), own).toBe(true);
    }
    for (const foreign of [
      'c.a.example',
      'a.example.evil',
      '1.2.3.4.5',
      'u@a.example',
      'a.example/x',
      '[x]',
      '::1 x',
    ]) {
      expect(names.accepts(foreign), foreign).toBe(false);
    }
    expect(new HostNames([], ['*']).accepts('evil.example')).toBe(true);
  });
});
