import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { allJobs } from '../jobs-client.ts';
import { pythonEnvironment } from '../python-environment.ts';
import { type ScratchFolder, scratchFolder } from '../scratch-folder.ts';
import { type RunningServer, startServer } from '../server.ts';
import { makeClips, TALK } from './clips.ts';

const run = promisify(execFile);

let scratch: ScratchFolder;
let server: RunningServer;
let talk: string;
let noise: string;

beforeAll(async () => {
  scratch = await scratchFolder();
  ({ talk } = await makeClips(scratch));
  noise = scratch.file('noise.wav');
  await writeFile(noise, 'this is no audio at all');
  server = await startServer({ dataDir: scratch.file('data') });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await scratch?.[Symbol.asyncDispose]();
});

/** Runs a program of `python/` in the environment of a requirements file there; it says what it got in JSON. */
async function answersOf<T>(
  context: TestContext,
  requirements: string,
  program: string,
  ...args: string[]
): Promise<T> {
  const folder = new URL('python/', import.meta.url);
  const minimum = requirements === 'wyoming-openai' ? '3.12' : '3.9';
  const environment = await pythonEnvironment(fileURLToPath(new URL(`${requirements}.txt`, folder)), minimum);
  if ('missing' in environment) return context.skip(environment.missing);
  const { stdout } = await run(environment.python, [fileURLToPath(new URL(program, folder)), ...args], {
    timeout: 120_000,
    maxBuffer: 16 * 2 ** 20,
  });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T;
}

interface OpenAIAnswers {
  readonly version: string;
  readonly json: string;
  readonly text: string;
  readonly srt: string;
  readonly vtt: string;
  readonly verbose: { language: string; duration: number; segments: number; words: string[] };
  readonly diarized_auto: string[];
  readonly diarized_object: string[];
  readonly logprobs: number[];
  readonly stream: { deltas: string; done: string };
  readonly translation: string;
  readonly models: string[];
  readonly created: number;
  readonly errors: Record<string, { class: string; status: number; param: string | null; message: string } | null>;
  readonly impatient: string;
}

function expectTalk(text: string): void {
  for (const words of TALK.words) expect(text.replaceAll('\n', ' ')).toMatch(words);
}

describe.each(['openai-current', 'openai-a-year-ago'])('%s for Python', (requirements) => {
  it('gets text, times, speakers, streams, models and errors', { timeout: 600_000 }, async (context) => {
    const own = [`${server.url}/v1`, talk, noise];
    const answers = await answersOf<OpenAIAnswers>(context, requirements, 'openai_requests.py', ...own);
    for (const text of [answers.json, answers.text, answers.srt, answers.vtt]) expectTalk(text);
    expect(answers.srt).toMatch(/^1\n00:00:0/);
    expect(answers.vtt).toMatch(/^WEBVTT\n/);
    expect(answers.verbose).toMatchObject({ language: 'english', duration: TALK.seconds });
    expect(answers.verbose.segments).toBeGreaterThan(1);
    expectTalk(answers.verbose.words.join(' '));
    expect([answers.diarized_auto, answers.diarized_object]).toEqual([
      ['A', 'B'],
      ['A', 'B'],
    ]);
    expect(answers.logprobs.length).toBeGreaterThan(20);
    expect(Math.max(...answers.logprobs)).toBeLessThanOrEqual(0);
    expectTalk(answers.stream.deltas);
    expect(answers.stream.done).toBe(answers.stream.deltas);
    expect(answers.translation).toMatch(/new jersey/i);
    expect(answers.models).toEqual(expect.arrayContaining(['base', 'whisper-1']));
    expect(Number.isInteger(answers.created)).toBe(true);
    expect(answers.errors).toMatchObject({
      undecodable: { class: 'BadRequestError', status: 400, message: expect.stringMatching(/failed to decode audio/) },
      temperature: { class: 'BadRequestError', status: 400, param: 'temperature' },
      missing_model: { class: 'NotFoundError', status: 404 },
      speech: { class: 'InternalServerError', status: 501 },
    });
    expectTalk(answers.impatient);
    // The second SDK of this file gets what was stored for the first.
    const impatient = (await allJobs(server.url)).filter(({ name }) => name === 'impatient.wav');
    expect(impatient).toMatchObject([{ state: 'succeeded', attempts: 1 }]);
  });
});

it('litellm gets text, times and errors', { timeout: 600_000 }, async (context) => {
  const answers = await answersOf<{
    json: string;
    verbose: OpenAIAnswers['verbose'];
    srt: string;
    error: { class: string; status: number; message: string };
  }>(context, 'litellm', 'litellm_requests.py', `${server.url}/v1`, talk, noise);
  expectTalk(answers.json);
  expectTalk(answers.srt);
  expect(answers.verbose).toMatchObject({ language: 'english', duration: TALK.seconds });
  expectTalk(answers.verbose.words.join(' '));
  expect(answers.error).toMatchObject({ status: 400, message: expect.stringMatching(/failed to decode audio/) });
});

it('wyoming-openai hears speech, whole and streamed', { timeout: 600_000 }, async (context) => {
  interface Heard {
    readonly type: string;
    readonly text: string;
    readonly chunks: string[];
  }
  const answers = await answersOf<{ models: string[]; whole: Heard; streamed: Heard }>(
    context,
    'wyoming-openai',
    'wyoming_requests.py',
    `${server.url}/v1`,
    talk,
    scratch.file('wyoming.sock'),
  );
  expect(answers.models).toEqual(['gpt-4o-mini-transcribe', 'whisper-1']);
  expect(answers.whole.type).toBe('transcript');
  expectTalk(answers.whole.text);
  expectTalk(answers.streamed.text);
  expect(answers.streamed.chunks.join('')).toBe(answers.streamed.text);
});
