import { readFile } from 'node:fs/promises';
import { createOpenAI } from '@ai-sdk/openai';
import { transcribe } from 'ai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ScratchFolder, scratchFolder } from '../scratch-folder.ts';
import { type RunningServer, startServer } from '../server.ts';
import { makeClips, TALK } from './clips.ts';

let scratch: ScratchFolder;
let server: RunningServer;
let audio: Buffer;

beforeAll(async () => {
  scratch = await scratchFolder();
  audio = await readFile((await makeClips(scratch)).talk);
  server = await startServer({ dataDir: scratch.file('data') });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await scratch?.[Symbol.asyncDispose]();
});

const provider = () => createOpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any' });

it.each([
  ['whisper-1', { timestampGranularities: ['segment'] }],
  ['whisper-1', { timestampGranularities: ['word'] }],
  ['gpt-4o-transcribe', { include: ['logprobs'] }],
  ['gpt-4o-transcribe-diarize', { chunkingStrategy: { type: 'server_vad', threshold: 0.5 } }],
] as const)('the AI SDK with %s and %j', async (model, options) => {
  const result = await transcribe({
    model: provider().transcription(model),
    audio,
    providerOptions: { openai: JSON.parse(JSON.stringify(options)) },
  });
  for (const words of TALK.words) expect(result.text).toMatch(words);
  expect(result.warnings).toEqual([]);
  if (model !== 'whisper-1') return;
  expect(result.language).toBe('en');
  expect(result.durationInSeconds).toBe(TALK.seconds);
  const { segments } = result;
  expect(segments.length).toBeGreaterThan(1);
  expect(segments.map(({ startSecond }) => startSecond)).toEqual(
    segments.map(({ startSecond }) => startSecond).toSorted((a, b) => a - b),
  );
  expect(segments.at(-1)!.endSecond).toBeLessThanOrEqual(TALK.seconds);
});

it('an error is told with its sentence', async () => {
  const noise = Buffer.from('this is no audio at all');
  await expect(
    transcribe({ model: provider().transcription('whisper-1'), audio: noise, maxRetries: 0 }),
  ).rejects.toMatchObject({ statusCode: 400, message: expect.stringMatching(/failed to decode audio/) });
});
