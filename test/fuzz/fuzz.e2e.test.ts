import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allJobs, hasEnded } from '../jobs-client.ts';
import { descendants, openDescriptors } from '../processes.ts';
import { pythonEnvironment } from '../python-environment.ts';
import { ffmpeg, samplePath } from '../recordings.ts';
import { type ScratchFolder, scratchFolder } from '../scratch-folder.ts';
import { SeededRandom } from '../seeded-random.ts';
import { leftovers, type RunningServer, startServer } from '../server.ts';
import { mutatedAudio, mutatedForm } from './mutations.ts';
import { sendRaw } from './raw-request.ts';

const run = promisify(execFile);

/** CI takes a small dose; `npm run fuzz` the 2,000 requests that the project promises. */
/** Without the phase of examples: making them now and then crashes the tool itself (a recursion limit of Python 3.11). */
const DOSE =
  process.env.DIARIST_TEST_FUZZ === 'full'
    ? { forms: 600, recordings: 400, schemathesis: ['--max-examples=25', '--phases=coverage,fuzzing'] }
    : { forms: 60, recordings: 16, schemathesis: ['--max-examples=4', '--phases=fuzzing'] };
const AT_ONCE = 8;
const PATIENCE_MS = 60_000;
const ROUTES = [
  '/asr?output=srt',
  '/v1/audio/transcriptions',
  '/api/jobs',
  '/detect-language',
  '/api/audio/transcribe-with-speakers',
];

let scratch: ScratchFolder;
let server: RunningServer;
let recordings: Buffer[];
let random: SeededRandom;

beforeAll(async () => {
  random = new SeededRandom();
  console.log(`fuzz: DIARIST_TEST_SEED=${random.seed}`);
  scratch = await scratchFolder();
  const sample = await samplePath();
  recordings = await Promise.all(
    ['wav', 'mp3', 'ogg', 'mp4'].map(async (kind) => {
      const file = scratch.file(`clip.${kind}`);
      await ffmpeg('-i', sample, '-ss', '18.2', '-t', '2', '-vn', file);
      return await readFile(file);
    }),
  );
  server = await startServer({ dataDir: scratch.file('data'), env: { DIARIST_QUEUE_LIMIT: '4096' } });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await scratch?.[Symbol.asyncDispose]();
});

/** 5xx that are announced: 501 where there is no voice, 503 with a time after which to come again. */
function isServerError(status: number, head: string): boolean {
  if (status < 500 || status === 501) return false;
  return !(status === 503 && /^retry-after: ([1-9]|[1-5]\d|60)\r?$/im.test(head));
}

function requestIdOf(head: string): string {
  return /^x-request-id: (.*)$/im.exec(head)?.[1]?.trim() ?? head;
}

/** What the log of a server says about failures that nobody foresaw. */
function unforeseen(log: string): unknown[] {
  const lines = log.split('\n').filter((line) => line.includes('unexpected failure'));
  return lines.map((line) => JSON.parse(line).err?.stack ?? line);
}

async function inTurns(count: number, one: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let index = next++; index < count; index = next++) await one(index);
    }),
  );
}

describe.skipIf(process.platform !== 'linux')('a server that is sent nonsense', () => {
  it(`${DOSE.forms} broken forms: no server error, no hang`, { timeout: 1_800_000 }, async () => {
    const bad: string[] = [];
    await server.whileItRuns(
      inTurns(DOSE.forms, async (index) => {
        const route = random.pick(ROUTES);
        const request = mutatedForm(random.pick(recordings), random);
        const { status, head } = await sendRaw(server.url, route, request, PATIENCE_MS).catch((error: unknown) => ({
          status: 599,
          head: `${String(error)} ${request.headers.join(' | ').slice(0, 300)}`,
        }));
        if (isServerError(status, head)) bad.push(`#${index} ${route}: ${status} ${requestIdOf(head)}`);
      }),
    );
    expect(bad).toEqual([]);
  });

  it(`${DOSE.recordings} broken recordings: read or refused`, { timeout: 1_800_000 }, async () => {
    const bad: string[] = [];
    await server.whileItRuns(
      inTurns(DOSE.recordings, async (index) => {
        const form = new FormData();
        form.set('audio_file', new Blob([mutatedAudio(random.pick(recordings), random)]), 'a.wav');
        const query = `output=json&diarize=${random.next() < 0.3}&encode=${random.next() < 0.9}`;
        const response = await fetch(`${server.url}/asr?${query}`, {
          method: 'POST',
          body: form,
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
        const text = await response.text();
        if (response.status !== 200 && response.status !== 400)
          bad.push(`#${index} ${query}: ${response.status} ${text}`);
        else if (response.status === 400 && !/"detail":"[^"]{10,}/.test(text)) bad.push(`#${index}: ${text}`);
      }),
    );
    expect(bad).toEqual([]);
  });

  it('schemathesis, on its own OpenAPI document', { timeout: 1_800_000 }, async (context) => {
    const environment = await pythonEnvironment(fileURLToPath(new URL('schemathesis.txt', import.meta.url)));
    if ('missing' in environment) return context.skip(environment.missing);
    const args = ['-m', 'schemathesis.cli', 'run', `${server.url}/openapi.json`, '--checks=not_a_server_error'];
    args.push(...DOSE.schemathesis, `--seed=${random.seed}`, '--workers=4', '--no-shrink');
    args.push('--request-timeout=60', '--continue-on-failure', '--exclude-path-regex=audio/speech');
    const { stdout, failed } = await run(environment.python, args, { cwd: scratch.path, maxBuffer: 64 * 2 ** 20 }).then(
      (end) => ({ ...end, failed: false }),
      (error: { stdout: string; stderr: string }) => ({ stdout: `${error.stdout}\n${error.stderr}`, failed: true }),
    );
    expect(failed ? stdout : '').toBe('');
    const count = /(\d+) generated/.exec(stdout)?.[1];
    console.log(`fuzz: ${count} requests by schemathesis`);
    expect(Number(count)).toBeGreaterThan(20);
  });

  it('leaves nothing behind: no file, no process, no descriptor', { timeout: 600_000 }, async () => {
    await expect
      .poll(async () => (await allJobs(server.url)).every(hasEnded), { timeout: 500_000, interval: 500 })
      .toBe(true);
    await expect.poll(() => leftovers(server.dataDir), { timeout: 10_000 }).toEqual([]);
    // One engine, and nobody decodes any more.
    await expect.poll(() => descendants(server.pid).length, { timeout: 10_000 }).toBeLessThanOrEqual(1);
    const idle = openDescriptors(server.pid);
    // The same once more must not need more.
    await inTurns(24, async () => {
      const request = mutatedForm(random.pick(recordings), random);
      await sendRaw(server.url, random.pick(ROUTES), request, PATIENCE_MS);
    });
    await expect.poll(async () => (await allJobs(server.url)).every(hasEnded), { timeout: 100_000 }).toBe(true);
    await expect.poll(() => openDescriptors(server.pid), { timeout: 20_000 }).toBeLessThanOrEqual(idle + 2);
    expect(await leftovers(server.dataDir)).toEqual([]);
    const { code, stderr } = await server.stop();
    expect(unforeseen(stderr)).toEqual([]);
    expect(code).toBe(0);
  });
});
