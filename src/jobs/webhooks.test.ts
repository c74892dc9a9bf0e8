import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { JobBench, OPTIONS } from './fixtures/job-bench.ts';
import type { Delivery } from './types.ts';

interface Message {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver that answers with the given status codes in turn, and with the last one from then on. */
class Receiver implements AsyncDisposable {
  readonly messages: Message[] = [];
  readonly #server: Server;

  constructor(...answers: number[]) {
    this.#server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        this.messages.push({ headers: request.headers, body });
        const status = answers[Math.min(this.messages.length, answers.length) - 1] ?? 204;
        if (status === 0) return;
        response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
      });
    });
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook?token=secret`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** The address of a receiver that is not there any more. */
async function closed(): Promise<{ url: string }> {
  await using receiver = await new Receiver().listen();
  return { url: receiver.url };
}

const SECRET = `whsec_${Buffer.from('a secret of the receiver').toString('base64')}`;

/** The deliveries of a job when none is to come any more. */
async function settled(bench: JobBench, id: string): Promise<readonly Delivery[]> {
  await expect
    .poll(() => bench.jobs.deliveries(id).map(({ state }) => state), { timeout: 5000 })
    .toSatisfy((states: string[]) => states.length > 0 && !states.includes('pending'));
  return bench.jobs.deliveries(id);
}

describe('a webhook', () => {
  it('tells the end of a job once, signed, without its text', async () => {
    await using receiver = await new Receiver(204).listen();
    await using bench = await JobBench.open();
    const id = await bench.submit({ text: 'private words' }, { webhook: { url: receiver.url, secret: SECRET } });
    const deliveries = await settled(bench, id);
    expect(deliveries).toMatchObject([{ attempt: 1, state: 'delivered', httpStatus: 204 }]);
    expect(receiver.messages).toHaveLength(1);
    const { headers, body } = receiver.messages[0]!;
    expect(headers['webhook-id']).toBe(deliveries[0]!.id);
    const message = new Webhook(SECRET).verify(body, headers as Record<string, string>);
    expect(message).toMatchObject({
      type: 'job.succeeded',
      data: { id, state: 'succeeded', model: 'base', audioSeconds: 2, attempts: 1 },
    });
    expect(body).not.toContain('private');
    expect(body).not.toContain('meeting.wav');
    expect(bench.jobs.deliveries(id, 'bob')).toEqual([]);
  });

  it('tells of failures and cancellations, signed with the server secret where it brings none', async () => {
    await using receiver = await new Receiver(200).listen();
    await using bench = await JobBench.open();
    const webhook = { url: receiver.url };
    const failed = await bench.submit({ text: 'a', fails: { at: 0, code: 'input_undecodable' } }, { webhook });
    const cancelled = await bench.submit({ text: 'b', hangsAt: 0 }, { webhook });
    await bench.jobs.cancel(cancelled);
    await settled(bench, failed);
    await settled(bench, cancelled);
    const secret = readFileSync(join(bench.dataDir, 'jobs', 'webhook-secret'), 'utf8');
    const messages = receiver.messages.map(({ headers, body }) =>
      new Webhook(secret).verify(body, headers as Record<string, string>),
    );
    expect(messages).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: 'job.failed', data: expect.objectContaining({ id: failed }) }),
        expect.objectContaining({ type: 'job.cancelled', data: expect.objectContaining({ reason: 'client' }) }),
      ]),
    );
  });

  it('is tried again under the same id until it is taken', async () => {
    await using receiver = await new Receiver(500, 302, 503, 200).listen();
    await using bench = await JobBench.open({}, { webhookRetrySeconds: [0.01] });
    const id = await bench.submit({ text: 'a' }, { webhook: { url: receiver.url } });
    expect((await settled(bench, id)).map(({ attempt, httpStatus }) => [attempt, httpStatus])).toEqual([
      [1, 500],
      [2, 302],
      [3, 503],
      [4, 200],
    ]);
    expect(new Set(receiver.messages.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });

  it('is given up after its attempts, at 410, and not told to whom nobody listens', async () => {
    await using gone = await new Receiver(410).listen();
    await using bench = await JobBench.open({ webhookAttempts: 2 }, { webhookRetrySeconds: [0.01] });
    const unwanted = await bench.submit({ text: 'a' }, { webhook: { url: gone.url } });
    const { url } = await closed();
    const unreachable = await bench.submit({ text: 'b' }, { webhook: { url } });
    expect(await settled(bench, unwanted)).toHaveLength(1);
    const deliveries = await settled(bench, unreachable);
    expect(deliveries.map(({ state }) => state)).toEqual(['failed', 'failed']);
    expect(deliveries[0]!.error).toContain('ECONNREFUSED');
  });

  it('outlives the server', async () => {
    await using receiver = await new Receiver(0, 200).listen();
    await using bench = await JobBench.open();
    const id = await bench.submit({ text: 'a' }, { webhook: { url: receiver.url } });
    await expect.poll(() => receiver.messages.length).toBe(1);
    await bench.reopen();
    await settled(bench, id);
    expect(receiver.messages.map(({ headers }) => headers['webhook-id'])).toEqual(
      Array(2).fill(bench.jobs.deliveries(id)[0]!.id),
    );
  });

  it('that is late is a failed attempt', async () => {
    await using receiver = await new Receiver(0).listen();
    await using bench = await JobBench.open({ webhookTimeoutSeconds: 0.05, webhookAttempts: 1 });
    const id = await bench.submit({ text: 'a' }, { webhook: { url: receiver.url } });
    expect((await settled(bench, id))[0]?.error).toBe('no answer within 0.05 seconds');
  });

  it('to this network, to no URL, or with a wrong secret is refused before the job is accepted', async () => {
    await using bench = await JobBench.open();
    const refusal = (url: string, secret?: string) =>
      bench.submit({ text: 'a' }, { webhook: { url, ...(secret && { secret }) } });
    await expect(refusal('http://169.254.169.254/')).rejects.toMatchObject({ code: 'forbidden_address' });
    await expect(refusal('http://10.0.0.1/')).rejects.toMatchObject({ code: 'forbidden_address' });
    await expect(refusal('ftp://example.org/')).rejects.toMatchObject({ code: 'forbidden_address' });
    await expect(refusal('nowhere')).rejects.toMatchObject({ code: 'invalid_request', param: 'webhook' });
    await expect(refusal('https://example.org/', 'whsec_?')).rejects.toMatchObject({ param: 'webhook_secret' });
    expect(bench.jobs.list({ limit: 1 }).jobs).toEqual([]);
  });

  it('of a name that stands for this machine is not delivered', async () => {
    await using receiver = await new Receiver(200).listen();
    await using bench = await JobBench.open({ webhookAttempts: 1, allowedHosts: [] });
    const url = receiver.url.replace('127.0.0.1', 'localhost');
    const id = await bench.submit({ text: 'a' }, { webhook: { url } });
    expect((await settled(bench, id))[0]).toMatchObject({ state: 'failed' });
    expect(receiver.messages).toEqual([]);
  });

  it('that joins a job whose result is stored is told of it', async () => {
    await using receiver = await new Receiver(200).listen();
    await using bench = await JobBench.open();
    const script = { text: 'a' };
    const id = await bench.submit(script, { options: OPTIONS });
    await bench.jobs.wait(id);
    expect(await bench.submit(script, { webhook: { url: receiver.url } })).toBe(id);
    await settled(bench, id);
    expect(receiver.messages).toHaveLength(1);
  });
});
