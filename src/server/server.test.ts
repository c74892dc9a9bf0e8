import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from './fixtures/test-server.ts';
import type { Dialect } from './types.ts';

const echo: Dialect = (app, { uploads, answers }) => {
  app.post('/echo', async (request) => {
    await using form = await uploads.read(request, { files: ['file'], query: 'wins' });
    return {
      fields: Object.fromEntries(form.fields),
      files: Object.fromEntries(
        [...form.files].map(([key, { name, bytes, sha256 }]) => [key, { name, bytes, sha256 }]),
      ),
    };
  });
  app.post('/transcribe', async (request, reply) => {
    await using form = await uploads.read(request, { files: ['file'] });
    const file = form.take('file')!;
    const switches = { diarize: false, words: false, strict: false, speakerEmbeddings: false };
    const options = { model: 'base', task: 'transcribe', beamSize: 1, ...switches } as const;
    const answer = await answers.transcribe(request, reply, { file, options, dialect: 'openai' });
    return answer === undefined ? reply : { text: answer.transcript.text };
  });
};

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ dialects: [echo] });
});
afterAll(() => server.close());

describe('the server', () => {
  it('answers unknown paths with 404 and wrong methods with 405, in the envelope', async () => {
    const missing = await fetch(`${server.url}/nothing`);
    expect(missing.status).toBe(404);
    expect(Object.keys(((await missing.json()) as { error: object }).error).sort()).toEqual([
      'code',
      'message',
      'param',
      'type',
    ]);
    const wrong = await fetch(`${server.url}/echo`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
  });

  it('transcribes an upload', async () => {
    const form = new FormData();
    form.set('file', new Blob(['SAY hello there']), 'ü.wav');
    const response = await fetch(`${server.url}/transcribe`, { method: 'POST', body: form });
    expect([response.status, await response.json()]).toEqual([200, { text: 'hello there' }]);
    expect(response.headers.get('x-diarist-job')).toMatch(/^[\w-]+$/);
  });
});
