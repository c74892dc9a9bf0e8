import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../fixtures/test-server.ts';
import { speakersTranscriptSchema } from './schemas.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

async function post(path: string, recording: string, field = 'file', query = ''): Promise<Response> {
  const form = new FormData();
  form.set(field, new Blob([recording]), 'meeting.m4a');
  return fetch(`${server.url}${path}${query}`, { method: 'POST', body: form });
}

describe.each(['/v1/audio/transcribe-with-speakers', '/api/audio/transcribe-with-speakers'])('POST %s', (path) => {
  it.each(['file', 'audio_file', 'recording'])('answers the exact shape to a file under the name %s', async (field) => {
    const response = await post(path, 'SAY good morning , everybody !', field);
    expect(response.status).toBe(200);
    const body = (await response.json()) as Record<string, unknown>;
    expect(speakersTranscriptSchema.strict().parse(body)).toEqual(body);
    expect(body.speakers_detected).toEqual(['Speaker_0', 'Speaker_1']);
    expect(body.segments).toEqual([
      { start_ms: 0, end_ms: 1400, speaker: 'Speaker_0', text: 'good morning,' },
      { start_ms: 1500, end_ms: 2400, speaker: 'Speaker_1', text: 'everybody!' },
    ]);
  });

  it('diarizes and times words whatever the request says', async () => {
    await post(path, 'SAY hello', 'file', '?diarize=false&word_timestamps=false&num_speakers=2&language=german');
    expect(server.jobs.list({ limit: 1 }).jobs[0]).toMatchObject({
      dialect: 'speakers',
      options: { diarize: true, words: true, speakers: 2, language: 'de' },
    });
  });

  it('answers silence with no segments', async () => {
    const response = await post(path, 'SILENT');
    expect([response.status, await response.json()]).toMatchObject([
      200,
      { language: null, speakers_detected: [], segments: [] },
    ]);
  });

  it.each([
    ['an empty file', '', 400],
    ['a file that cannot be decoded', 'FAIL input_undecodable', 400],
  ])('refuses %s', async (_, recording, status) => {
    const response = await post(path, recording);
    expect(response.status).toBe(status);
    expect(Object.keys((await response.json()) as object)).toEqual(['detail', 'error']);
  });

  it('refuses a request without a file', async () => {
    const response = await fetch(`${server.url}${path}`, { method: 'POST', body: new FormData() });
    expect(response.status).toBe(400);
  });
});
