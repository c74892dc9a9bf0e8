import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createGuardedFetch, type GuardedFetch } from './guarded-fetch.ts';

let requests = 0;
const server = createServer((request, response) => {
  requests++;
  if (request.url === '/redirect') response.writeHead(302, { location: '/secret' }).end();
  else response.end('here');
});
let port = 0;
const opened: GuardedFetch[] = [];

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
beforeEach(() => {
  requests = 0;
});
afterAll(async () => {
  await Promise.all(opened.map((guarded) => guarded.close()));
  server.close();
});

function guarded(...allowedHosts: string[]): GuardedFetch {
  const created = createGuardedFetch({ allowedHosts });
  opened.push(created);
  return created;
}

describe('guarded fetch', () => {
  it('refuses this machine by address and by name, before a byte is sent', async () => {
    for (const host of ['127.0.0.1', 'localhost', '2130706433', '[::ffff:127.0.0.1]']) {
      await expect(guarded().fetch(new URL(`http://${host}:${port}/`)), host).rejects.toMatchObject({
        code: 'forbidden_address',
      });
    }
    expect(requests).toBe(0);
  });

  it('reaches a host that is allowed, by address and by name', async () => {
    const byAddress = await guarded('127.0.0.0/8').fetch(new URL(`http://127.0.0.1:${port}/`));
    expect(await byAddress.text()).toBe('here');
    const byName = await guarded('localhost').fetch(new URL(`http://localhost:${port}/`));
    expect(await byName.text()).toBe('here');
  });

  it('hands a redirect to its caller instead of following it', async () => {
    const response = await guarded('127.0.0.1').fetch(new URL(`http://127.0.0.1:${port}/redirect`));
    expect(response.status).toBe(302);
    expect(requests).toBe(1);
  });

  it('speaks http and https only', async () => {
    await expect(guarded().fetch(new URL('file:///etc/passwd'))).rejects.toMatchObject({ code: 'forbidden_address' });
  });
});
