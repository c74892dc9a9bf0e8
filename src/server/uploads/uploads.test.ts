import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../fixtures/test-server.ts';
import type { Dialect } from '../types.ts';

interface Echo {
  readonly fields: Readonly<Record<string, readonly string[]>>;
  readonly files: Readonly<Record<string, { name: string; bytes: number; sha256: string }>>;
}

/** Tells what it received. */
const echo: Dialect = (app, { uploads }) => {
  app.post('/echo', async (request) => {
    await using form = await uploads.read(request, {
      files: ['file'],
      query: 'wins',
      json: (body) => {
        const { audio, ...fields } = body as { audio?: string; [name: string]: unknown };
        return {
          fields: fields as Record<string, string>,
          ...(audio !== undefined && { audio: { base64: audio, name: 'audio.wav' } }),
        };
      },
    });
    const files = [...form.files].map(([key, { name, bytes, sha256 }]) => [key, { name, bytes, sha256 }]);
    return { fields: Object.fromEntries(form.fields), files: Object.fromEntries(files) };
  });
};

/** The same for JSON whose fields are as they stand. */
const plainEcho: Dialect = (app, { uploads }) => {
  app.post('/plain', async (request) => {
    await using form = await uploads.read(request, { files: [] });
    return Object.fromEntries(form.fields);
  });
};

const MAX_FILE_BYTES = 2_000_000;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    dialects: [echo, plainEcho],
    environment: {
      DIARIST_MAX_UPLOAD_SIZE: String(MAX_FILE_BYTES),
      DIARIST_MAX_FIELD_SIZE: '600000',
      DIARIST_MAX_FIELDS: '20',
    },
  });
});
afterAll(() => server.close());
afterEach(() => {
  // The next test would find what this one left.
  expect(filesLeft()).toEqual([]);
});

const filesLeft = (): string[] => readdirSync(server.jobs.uploadFolder);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function post(body: RequestInit['body'], query = '', headers: Record<string, string> = {}) {
  const response = await fetch(`${server.url}/echo${query}`, { method: 'POST', body: body ?? null, headers });
  return { status: response.status, response, body: (await response.json()) as Echo & { error: { message: string } } };
}

describe('uploads', () => {
  it('receives files and fields in any order, with the names that clients give them', async () => {
    const bytes = randomBytes(300_000);
    const form = new FormData();
    form.append('language', 'de');
    form.append('file', new Blob([bytes]), '../Größe 1 – 会議.wav');
    form.append('granularities[]', 'word');
    form.append('granularities[]', 'segment');
    form.append('names[0]', 'Ana');
    form.append('chunking_strategy[type]', 'auto');
    const { status, body } = await post(form);
    expect(status).toBe(200);
    expect(body.fields).toEqual({
      language: ['de'],
      granularities: ['word', 'segment'],
      names: ['Ana'],
      'chunking_strategy[type]': ['auto'],
    });
    expect(body.files).toEqual({
      file: { name: 'Größe 1 – 会議.wav', bytes: bytes.length, sha256: sha256(bytes) },
    });
  });

  it('takes a lone file under another name, an empty file, and what the query says', async () => {
    const form = new FormData();
    form.append('audio_file', new Blob([]), 'empty.wav');
    form.append('task', 'translate');
    const { body } = await post(form, '?task=transcribe&encode=false');
    expect(body.files.file).toMatchObject({ name: 'empty.wav', bytes: 0 });
    expect(body.fields).toEqual({ task: ['transcribe'], encode: ['false'] });
  });

  it('reads urlencoded bodies, raw recordings, and no body at all', async () => {
    const encoded = await post(new URLSearchParams({ text: 'ä b', 'k[]': '1' }));
    expect(encoded.body.fields).toEqual({ text: ['ä b'], k: ['1'] });
    const raw = await post('RIFF', '', { 'content-type': 'audio/wav' });
    expect(raw.body.files.file).toMatchObject({ bytes: 4, sha256: sha256(Buffer.from('RIFF')) });
    expect((await post(null)).body).toEqual({ fields: {}, files: {} });
  });

  it('refuses bodies that it cannot read, with the reason', async () => {
    const boundary = { 'content-type': 'multipart/form-data' };
    expect(await post('--x--', '', boundary)).toMatchObject({ status: 400 });
    const endless = { 'content-type': `multipart/form-data; boundary=${'x'.repeat(300)}` };
    expect(await post('--x--', '', endless)).toMatchObject({ status: 400 });
    const cut = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nhalf of it';
    expect(await post(cut, '', { 'content-type': 'multipart/form-data; boundary=x' })).toMatchObject({ status: 400 });
    expect(await post('<xml/>', '', { 'content-type': 'application/xml' })).toMatchObject({ status: 400 });
    const broken = await post('{"a": ', '', { 'content-type': 'application/json' });
    expect([broken.status, broken.body.error.message]).toEqual([
      400,
      'The body is no valid JSON: check it for a missing quote or comma.',
    ]);
    const twice = new FormData();
    twice.append('file', new Blob(['a']), 'a.wav');
    twice.append('file', new Blob(['b']), 'b.wav');
    expect(await post(twice)).toMatchObject({ status: 400, body: { error: { param: 'file' } } });
  });

  it('refuses what is too large, and the client that is still sending hears it', async () => {
    const form = new FormData();
    form.append('file', new Blob([randomBytes(3 * MAX_FILE_BYTES)]), 'long.wav');
    const large = await post(form);
    expect([large.status, large.response.headers.get('x-should-retry')]).toEqual([413, 'false']);
    const field = new FormData();
    field.append('prompt', 'x'.repeat(700_000));
    expect(await post(field)).toMatchObject({ status: 413, body: { error: { param: 'prompt' } } });
    const many = new FormData();
    for (let index = 0; index < 30; index++) many.append(`f${index}`, '1');
    expect((await post(many)).status).toBe(413);
    const long = new FormData();
    for (let index = 0; index < 9; index++) long.append(`f${index}`, 'x'.repeat(599_000));
    expect(await post(long)).toMatchObject({
      status: 413,
      body: { error: { message: expect.stringContaining('bytes of text together') } },
    });
  });

  it('reads chunked bodies from clients that wait for 100 Continue', async () => {
    const bytes = randomBytes(100_000);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = httpRequest(
        `${server.url}/echo`,
        { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=b', expect: '100-continue' } },
        resolve,
      );
      sent.on('error', reject);
      sent.on('continue', () => {
        sent.write('--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n');
        for (let at = 0; at < bytes.length; at += 1000) sent.write(bytes.subarray(at, at + 1000));
        sent.end('\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n');
      });
      sent.flushHeaders();
    });
    const body = JSON.parse(await readAll(response)) as Echo;
    expect(body).toMatchObject({ fields: { model: ['whisper-1'] }, files: { file: { sha256: sha256(bytes) } } });
  });

  it('leaves nothing behind when the client hangs up', async () => {
    const { port } = new URL(server.url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n');
    socket.write(
      'Content-Length: 1000000\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n',
    );
    socket.write(randomBytes(200_000));
    await expect.poll(filesLeft).toHaveLength(1);
    socket.destroy();
    await expect.poll(filesLeft).toEqual([]);
  });
});

describe('JSON bodies', () => {
  const json = { 'content-type': 'application/json' };

  it('decodes a recording of any length, whatever stands around it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 900_000 }),
        fc.constantFrom('', 'data:audio/wav;base64,'),
        fc.constantFrom('plain', 'lines', 'slashes'),
        async (length, prefix, style) => {
          const bytes = randomBytes(length);
          const base64 = bytes.toString('base64');
          const written = style === 'lines' ? base64.replaceAll(/.{76}/g, '$&\n') : base64;
          const given = JSON.stringify({ note: 'say \\"hi\\"', audio: prefix + written, model: 'base' });
          const { status, body } = await post(style === 'slashes' ? given.replaceAll('/', '\\/') : given, '', json);
          // What stays in memory is decoded by the dialect; here only the long ones are.
          if (length < 300_000) return;
          expect([status, body.files.file]).toEqual([200, { name: 'audio.wav', bytes: length, sha256: sha256(bytes) }]);
          expect(body.fields).toEqual({ note: ['say \\"hi\\"'], model: ['base'] });
        },
      ),
      { numRuns: 25 },
    );
  });

  it('gives a long field back as it was', async () => {
    const prompt = 'é"\n'.repeat(100_000);
    const { body } = await post(JSON.stringify({ prompt }), '', json);
    expect(body.fields.prompt).toEqual([prompt]);
  });

  it('refuses a very long text inside of an object, and a very long name', async () => {
    const long = 'A'.repeat(300_000);
    const send = async (body: unknown) => {
      const response = await fetch(`${server.url}/plain`, {
        ...{ method: 'POST', headers: json, body: JSON.stringify(body) },
      });
      return { status: response.status, body: await response.json() };
    };
    for (const options of [{ prompt: long }, [{ prompt: long }], { [long]: 1 }]) {
      expect(await send({ options })).toMatchObject({ status: 400, body: { error: { param: 'options' } } });
    }
    expect(await send({ [long]: long })).toMatchObject({ status: 400, body: { error: { code: 'invalid_request' } } });
    expect(await send({ prompts: ['a', long] })).toEqual({ status: 200, body: { prompts: ['a', long] } });
  });

  it('refuses what is no base64, what is too large and what is cut off', async () => {
    const no = await post(JSON.stringify({ audio: '?'.repeat(400_000) }), '', json);
    expect(no).toMatchObject({ status: 400 });
    const large = await post(JSON.stringify({ audio: 'A'.repeat(4 * MAX_FILE_BYTES) }), '', json);
    expect(large).toMatchObject({ status: 413 });
    expect(await post(`{"audio": "${'A'.repeat(400_000)}`, '', json)).toMatchObject({ status: 400 });
    const many = Array.from({ length: 20 }, () => 'A'.repeat(300_000));
    expect(await post(JSON.stringify({ many }), '', json)).toMatchObject({ status: 413 });
    expect(await post(`[${'1,'.repeat(500_000)}1]`, '', json)).toMatchObject({ status: 413 });
  });
});
