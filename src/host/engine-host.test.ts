import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DiaristError, type ErrorCode } from '../core/errors.ts';
import { isProcessAlive } from '../core/process-identity.ts';
import type { Progress, RunContext, TranscribeRequest } from '../pipeline/types.ts';
import { EngineHost, type EngineHostEvent, type EngineHostOptions } from './engine-host.ts';
import { engineSettings } from './fixtures/engine-settings.ts';

let folder: string;
let events: EngineHostEvent[];
const hosts: EngineHost[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diarist-host-'));
  events = [];
});

afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close();
  // Whatever a request did, its spool must be gone with its engine.
  const left = entriesOf(join(folder, 'spool'));
  rmSync(folder, { recursive: true, force: true });
  expect(left).toEqual([]);
});

function entriesOf(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function openHost(changes: Partial<EngineHostOptions> = {}, model = 'base'): EngineHost {
  const host = new EngineHost({
    engine: {
      model,
      device: 'cpu',
      computeType: 'auto',
      threads: 1,
      batchSize: 0,
      cacheDir: folder,
      dataDir: folder,
    },
    environment: process.env,
    memoryLimitBytes: 0,
    idleSeconds: 60,
    hangSeconds: 30,
    stallSeconds: 30,
    childModule: new URL('./fixtures/failing-engine.ts', import.meta.url),
    onEvent: (event) => events.push(event),
    ...changes,
  });
  hosts.push(host);
  return host;
}

function request(path: string, id = path.replaceAll(/\W/g, '_').slice(-40)): TranscribeRequest {
  const options = { diarize: false, words: false, beamSize: 1, strict: false, speakerEmbeddings: false } as const;
  return { id, path, options: { task: 'transcribe', ...options } };
}

/** Process id of the engine that answered. */
async function servedBy(host: EngineHost, path: string, context?: RunContext): Promise<number> {
  return Number((await host.transcribe(request(path), context)).text);
}

async function failureOf(promise: Promise<unknown>): Promise<DiaristError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DiaristError);
  return error as DiaristError;
}

async function codeOf(promise: Promise<unknown>): Promise<ErrorCode> {
  return (await failureOf(promise)).code;
}

const starts = (): number => events.filter((event) => event.kind === 'started').length;

function firstProgress(): { context: RunContext; seen: Promise<Progress> } {
  const { promise, resolve } = Promise.withResolvers<Progress>();
  return { context: { onProgress: resolve }, seen: promise };
}

describe('EngineHost', () => {
  it('runs several requests at the same time in one process of its own, and tells progress', async () => {
    const host = openHost();
    const fractions: number[] = [];
    const startedAt = performance.now();
    const pids = await Promise.all([
      servedBy(host, 'slow:600', { onProgress: (progress) => fractions.push(progress.fraction) }),
      servedBy(host, 'slow:601'),
      servedBy(host, 'slow:602'),
    ]);
    expect(new Set(pids).size).toBe(1);
    expect(pids[0]).not.toBe(process.pid);
    expect(starts()).toBe(1);
    expect(performance.now() - startedAt).toBeLessThan(1800);
    expect(fractions).toEqual([0.25, 1]);
  });

  it('passes the environment on to the engine', async () => {
    const host = openHost({ environment: { ...process.env, ENGINE_TEST_MARK: 'marked' } });
    expect((await host.transcribe(request('ok'))).text).toMatch(/^\d+ marked$/);
  });

  it('hands on errors of the pipeline with their code, and goes on', async () => {
    const host = openHost();
    const error = await failureOf(host.transcribe(request('fail')));
    expect(error.code).toBe('input_no_audio');
    expect(error.message).toBe('There is no audio in this file: give another one.');
    await servedBy(host, 'ok');
    expect(starts()).toBe(1);
  });

  it('fails with what stopped the engine from starting', async () => {
    expect(await codeOf(openHost({}, 'missing').transcribe(request('ok')))).toBe('model_missing');
    expect(starts()).toBe(1);
    expect(await codeOf(openHost({}, 'exits').transcribe(request('ok')))).toBe('engine_crashed');
    expect(starts()).toBe(3);
  });

  it('tries a request once more after a crash, without progress falling', async () => {
    const host = openHost();
    const fractions: number[] = [];
    const transcript = await host.transcribe(request(`crash-once:${join(folder, 'crashed')}`), {
      onProgress: (progress) => fractions.push(progress.fraction),
    });
    expect(Number(transcript.text)).toBe(host.pid);
    expect(starts()).toBe(2);
    expect(fractions).toEqual([0.25, 0.75, 0.75, 1]);
    expect(events.filter((event) => event.kind === 'retrying')).toHaveLength(1);
  });

  it('tells each part once, in order, though a crashed engine tells them again', async () => {
    const host = openHost();
    const parts: string[] = [];
    await host.transcribe(request(`parts-crash-parts:${join(folder, 'crashed')}`), {
      onPart: ({ text }) => parts.push(text),
    });
    expect(parts).toEqual(['part 0', 'part 1', 'part 2', 'part 3']);
    expect(starts()).toBe(2);
  });

  it('tries again where the inference threads of the engine died', async () => {
    const host = openHost();
    await servedBy(host, `threads-die-once:${join(folder, 'died')}`);
    expect(starts()).toBe(2);
    expect(events.filter((event) => event.kind === 'ended')).toMatchObject([
      { how: 'exit code 70', expected: false, lastWords: 'An inference thread failed.' },
    ]);
  });

  it('asks for languages and voices, and hands on why there are none', async () => {
    const host = openHost();
    const ask = (path: string) => ({ id: path, path });
    expect(await host.detectLanguage(ask('talk'))).toEqual({ language: 'de', probability: 0.75 });
    expect(await host.detectLanguage(ask('silence'))).toBeNull();
    expect(await codeOf(host.detectLanguage(ask('fail')))).toBe('input_empty');
    expect(await host.embedVoice(ask('talk'))).toEqual([0.6, 0.8]);
    expect(await codeOf(host.embedVoice(ask('silence')))).toBe('no_speech');
    expect(starts()).toBe(1);
  });

  it('survives kill -9 of its engine', async () => {
    const host = openHost();
    const { context, seen } = firstProgress();
    const served = servedBy(host, 'slow:300', context);
    await seen;
    const first = host.pid!;
    process.kill(first, 'SIGKILL');
    expect(await served).not.toBe(first);
  });

  it('fails what crashes the engine twice, and nothing that ran beside it', async () => {
    const host = openHost();
    const beside = [servedBy(host, 'slow:400'), servedBy(host, 'slow:401')];
    const error = await failureOf(host.transcribe(request('crash')));
    // The kernel of Linux says whether it was it; elsewhere nobody knows who sent the signal.
    expect(error.code).toBe(process.platform === 'linux' ? 'engine_killed' : 'engine_crashed');
    expect(error.message).toContain('SIGKILL');
    for (const pid of await Promise.all(beside)) expect(pid).toBeGreaterThan(0);
    await servedBy(host, 'ok');
  });

  it('ends an engine that blocks', async () => {
    const host = openHost({ hangSeconds: 0.5 });
    const error = await failureOf(host.transcribe(request('block')));
    expect(error.code).toBe('engine_timeout');
    expect(error.message).toContain('DIARIST_HANG_SECONDS');
    expect(starts()).toBe(1);
    await servedBy(host, 'ok');
  });

  it('ends an engine that lives but does not get on', async () => {
    const host = openHost({ stallSeconds: 0.7, hangSeconds: 0.5 });
    expect((await failureOf(host.transcribe(request('never')))).message).toContain('DIARIST_STALL_SECONDS');
    expect(starts()).toBe(1);
  });

  it('ends an engine beyond its memory limit and says how to help', async () => {
    const host = openHost({ memoryLimitBytes: 300_000_000 });
    const error = await failureOf(host.transcribe(request('allocate')));
    expect(error.code).toBe('engine_out_of_memory');
    expect(error.message).toContain('0.30 GB');
    expect(error.message).toContain('--model');
    await servedBy(host, 'ok');
  });

  it('cancels within 100 ms, whether the engine listens or not, and frees it', async () => {
    const host = openHost();
    for (const path of ['never', 'block']) {
      const controller = new AbortController();
      const { context, seen } = firstProgress();
      const cancelled = codeOf(host.transcribe(request(path), { ...context, signal: controller.signal }));
      await seen;
      const abortedAt = performance.now();
      controller.abort();
      expect(await cancelled).toBe('cancelled');
      expect(performance.now() - abortedAt).toBeLessThan(100);
    }
    // The blocked engine cannot serve this: it is ended, and another one does.
    await servedBy(host, 'ok');
    expect(starts()).toBe(2);
  });

  it('does not start what was cancelled before', async () => {
    const host = openHost();
    expect(await codeOf(host.transcribe(request('ok'), { signal: AbortSignal.abort() }))).toBe('cancelled');
    expect(starts()).toBe(0);
  });

  it('ends the engine when idle, and starts another for the next request', async () => {
    const host = openHost({ idleSeconds: 0.1 });
    const first = await servedBy(host, 'ok');
    await vi.waitFor(() => expect(isProcessAlive(first)).toBe(false), { timeout: 5000 });
    await vi.waitFor(() => expect(host.pid).toBeUndefined(), { timeout: 5000 });
    expect(await servedBy(host, 'ok')).not.toBe(first);
  });

  it('serves a request that comes while the idle engine is ending', async () => {
    const host = openHost({ idleSeconds: 0 });
    for (let round = 0; round < 5; round++) {
      // Each round meets the ending engine a little later in its end.
      await new Promise((settle) => setTimeout(settle, round));
      expect(await servedBy(host, 'ok')).toBeGreaterThan(0);
    }
    expect(starts()).toBeGreaterThan(1);
  });

  it('leaves no process when closed, and takes no more work', async () => {
    for (const path of ['never', 'block', 'deaf']) {
      const host = openHost();
      const { context, seen } = firstProgress();
      const code = codeOf(host.transcribe(request(path), context));
      await seen;
      const pid = host.pid!;
      await host.close();
      expect(isProcessAlive(pid)).toBe(false);
      expect(await code).toBe('cancelled');
      expect(await codeOf(host.transcribe(request('ok')))).toBe('cancelled');
    }
  });

  it('ends with its parent, however that dies, and leaves no spool', async () => {
    const script = fileURLToPath(new URL('./fixtures/parent.ts', import.meta.url));
    const parent = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    const engine = await new Promise<number>((settle) => {
      parent.stdout.setEncoding('utf8').once('data', (text: string) => settle(Number.parseInt(text, 10)));
    });
    expect(isProcessAlive(engine)).toBe(true);
    parent.kill('SIGKILL');
    await vi.waitFor(() => expect(isProcessAlive(engine)).toBe(false), { timeout: 10_000 });
  });

  it('keeps its program until it is gone, whatever it answers meanwhile', async () => {
    const script = fileURLToPath(new URL('./fixtures/closing.ts', import.meta.url));
    const program = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    program.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const [code] = (await once(program, 'close')) as [number];
    expect([code, said]).toEqual([0, 'closed']);
  });

  it('removes what an engine left whose parent died with it', async () => {
    const script = fileURLToPath(new URL('./fixtures/parent.ts', import.meta.url));
    // A blocked engine cannot notice that its parent died.
    const parent = spawn(process.execPath, [script, folder, 'block'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const engine = await new Promise<number>((settle) => {
      parent.stdout.setEncoding('utf8').once('data', (text: string) => settle(Number.parseInt(text, 10)));
    });
    parent.kill('SIGKILL');
    await new Promise((settle) => parent.once('exit', settle));
    process.kill(engine, 'SIGKILL');
    expect(readdirSync(join(folder, 'spool'))).toHaveLength(1);
    await servedBy(openHost(), 'ok');
    expect(readdirSync(join(folder, 'spool'))).toHaveLength(1);
  });

  it('says that the data folder cannot be written to', async () => {
    const host = openHost({
      engine: { ...engineSettings(folder), dataDir: '/dev/null/x' },
    });
    const error = await failureOf(host.transcribe(request('ok')));
    expect(error.code).toBe('output_unwritable');
    expect(error.message).toContain('DIARIST_DATA');
  });
});
