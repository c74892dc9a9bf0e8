import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JobBench, OPTIONS } from './fixtures/job-bench.ts';
import type { Script } from './fixtures/scripted-engines.ts';
import type { Submission } from './types.ts';

const script: Script = { text: 'from afar' };
const body = JSON.stringify(script);

let requests: string[] = [];
let server: Server;
let origin = '';

beforeAll(async () => {
  server = createServer((request, response) => {
    requests.push(request.url ?? '');
    if (request.url === '/moved') response.writeHead(302, { location: '/talk.ogg' }).end();
    else if (request.url === '/inside') response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end();
    else if (request.url === '/large') response.end(Buffer.alloc(2e6));
    else if (request.url === '/stuck') response.write('{');
    else if (request.url?.startsWith('/talk.ogg')) response.end(body);
    else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function submit(bench: JobBench, path: string, changed: Partial<Submission> = {}): Promise<string> {
  const url = path.startsWith('http') ? path : origin + path;
  const common = { url, options: OPTIONS, client: 'ana', dialect: 'jobs', durable: true };
  return (await bench.jobs.submit({ ...common, ...changed })).job.id;
}

describe('a job by URL', () => {
  it('fetches its recording as its first stage', async () => {
    await using bench = await JobBench.open();
    const id = await submit(bench, '/moved');
    const ended = await bench.jobs.wait(id);
    const sha256 = createHash('sha256').update(body).digest('hex');
    expect(ended).toMatchObject({ state: 'succeeded', bytes: body.length, sha256, name: 'moved' });
    expect(bench.jobs.transcript(id)?.text).toBe('from afar');
    const again = await bench.jobs.rerun(id, { ...OPTIONS, language: 'de' });
    requests = [];
    expect(await bench.jobs.wait(again!.job.id)).toMatchObject({ state: 'succeeded' });
    expect(requests).toEqual([]);
  });

  it('fails in a sentence where there is nothing, too much, or an address that is not for clients', async () => {
    await using bench = await JobBench.open({ maxInputBytes: 1e6 });
    const errorOf = async (path: string) => (await bench.jobs.wait(await submit(bench, path))).error;
    expect(await errorOf('/nothing')).toMatchObject({ code: 'input_not_found' });
    expect(await errorOf('/large')).toMatchObject({ code: 'input_too_large' });
    expect(await errorOf('/inside')).toMatchObject({ code: 'forbidden_address' });
    await bench.reopen({ allowedHosts: [] });
    requests = [];
    const byName = origin.replace('127.0.0.1', 'localhost');
    expect(await errorOf(`${byName}/talk.ogg`)).toMatchObject({ code: 'forbidden_address' });
    await expect(submit(bench, 'http://10.0.0.1/x')).rejects.toMatchObject({ code: 'forbidden_address' });
    await expect(submit(bench, 'http:')).rejects.toMatchObject({ code: 'invalid_request', param: 'url' });
    expect(requests).toEqual([]);
  });

  it('goes on after a restart, and stops when it is cancelled', async () => {
    await using bench = await JobBench.open();
    const id = await submit(bench, '/stuck');
    await expect.poll(() => bench.jobs.get(id)?.stage).toBe('fetch');
    await bench.reopen();
    await expect.poll(() => bench.jobs.get(id)).toMatchObject({ state: 'running', attempts: 2 });
    expect(await bench.jobs.delete(id)).toBe(true);
  });

  it('joins the one that is under way, and fetches again when that has ended', async () => {
    await using bench = await JobBench.open();
    const [first, second] = await Promise.all([submit(bench, '/talk.ogg'), submit(bench, '/talk.ogg')]);
    expect(second).toBe(first);
    await bench.jobs.wait(first);
    expect(await submit(bench, '/talk.ogg')).not.toBe(first);
  });
});
