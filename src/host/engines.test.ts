import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { RunContext, TranscribeRequest } from '../pipeline/types.ts';
import type { EngineHostEvent } from './engine-host.ts';
import { type EnginesOptions, LocalEngines } from './engines.ts';
import { engineSettings } from './fixtures/engine-settings.ts';

const GB = 1e9;

let folder: string;
let events: { readonly model: string; readonly event: EngineHostEvent }[];
const opened: LocalEngines[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diarist-engines-'));
  events = [];
});

afterEach(async () => {
  for (const engines of opened.splice(0)) await engines.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Engines of the scripted child process: each takes 1 GB by estimate. */
function openEngines(memoryLimitBytes: number, changes: Partial<EnginesOptions> = {}): LocalEngines {
  const engines = new LocalEngines({
    host: {
      engine: engineSettings(folder),
      environment: process.env,
      memoryLimitBytes,
      idleSeconds: 60,
      hangSeconds: 30,
      stallSeconds: 30,
      childModule: new URL('./fixtures/failing-engine.ts', import.meta.url),
    },
    maxEngines: 0,
    estimateBytes: () => GB,
    onEvent: (model, event) => events.push({ model, event }),
    ...changes,
  });
  opened.push(engines);
  return engines;
}

function request(path: string): TranscribeRequest {
  const options = { diarize: false, words: false, beamSize: 1, strict: false, speakerEmbeddings: false } as const;
  return { id: path.replaceAll(/\W/g, '_'), path, options: { task: 'transcribe', ...options } };
}

/** A transcription that goes on until it is stopped, once it has begun. */
async function workOn(engines: LocalEngines, model: string): Promise<{ stop(): Promise<void> }> {
  const controller = new AbortController();
  const began = Promise.withResolvers<void>();
  const context: RunContext = { signal: controller.signal, onProgress: () => began.resolve() };
  const done = engines.transcribe(model, request('never'), context).catch(() => undefined);
  await began.promise;
  return {
    stop: async () => {
      controller.abort();
      await done;
    },
  };
}

const started = (model: string) =>
  events.filter((entry) => entry.model === model && entry.event.kind === 'started').length;
const running = (engines: LocalEngines) =>
  engines
    .status()
    .filter(({ state }) => state !== 'stopped')
    .map(({ model }) => model)
    .sort();

it('runs one process a model, started once whoever asks at the same time', async () => {
  const engines = openEngines(0);
  const [text] = await Promise.all([
    engines.transcribe('base', request('ok')).then((transcript) => transcript.text),
    engines.load('base'),
    engines.load('base'),
    engines.detectLanguage('small', request('ok')),
  ]);
  expect(started('base')).toBe(1);
  expect(started('small')).toBe(1);
  const [base] = engines.status();
  expect(base).toMatchObject({ model: 'base', state: 'ready', device: 'test', pid: Number(text), running: 0 });
  await vi.waitFor(() => expect(engines.status()[0]!.residentBytes).toBeGreaterThan(1e7), { timeout: 5000 });
});

it('embeds voices with an engine that runs, else with the default one', async () => {
  const engines = openEngines(0);
  await engines.load('small');
  expect(await engines.embedVoice(request('ok'))).toEqual([0.6, 0.8]);
  expect(running(engines)).toEqual(['small']);
  await engines.unloadIdle();
  await engines.embedVoice(request('ok'));
  expect(running(engines)).toEqual(['base']);
  await expect(engines.embedVoice(request('silence'))).rejects.toMatchObject({ code: 'no_speech' });
});

it('ends the engine that idled longest for a model without room, and none that works', async () => {
  const engines = openEngines(2.5 * GB);
  const work = await workOn(engines, 'busy');
  await engines.load('old');
  expect(engines.hasRoomFor('new')).toBe(true);
  await engines.transcribe('new', request('ok'));
  expect(running(engines)).toEqual(['busy', 'new']);
  await work.stop();
});

it('lets a call wait while every engine works, and says that there is no room', async () => {
  const engines = openEngines(2.5 * GB);
  const [first, second] = [await workOn(engines, 'a'), await workOn(engines, 'b')];
  expect([engines.hasRoomFor('a'), engines.hasRoomFor('c')]).toEqual([true, false]);
  const waiting = engines.transcribe('c', request('ok'));
  // Those that run take more work meanwhile.
  await engines.transcribe('a', request('ok'));
  expect(started('c')).toBe(0);
  await first.stop();
  expect((await waiting).text).toMatch(/^\d+$/);
  expect(running(engines)).toEqual(['b', 'c']);
  await second.stop();
});

it('forgets a waiting call that was cancelled, and lets those behind it in', async () => {
  const engines = openEngines(2.5 * GB, { estimateBytes: (model) => (model === 'large' ? 2 * GB : GB) });
  const work = await workOn(engines, 'a');
  const controller = new AbortController();
  const large = engines.transcribe('large', request('ok'), { signal: controller.signal });
  const small = engines.transcribe('b', request('ok'));
  await engines.transcribe('a', request('ok'));
  expect([started('large'), started('b')]).toEqual([0, 0]);
  controller.abort();
  await expect(large).rejects.toMatchObject({ code: 'cancelled' });
  await small;
  expect(started('large')).toBe(0);
  await work.stop();
});

it('runs a model alone that is expected to need more than there is', async () => {
  const engines = openEngines(2.5 * GB, { estimateBytes: (model) => (model === 'large' ? 9 * GB : GB) });
  await engines.load('a');
  await engines.transcribe('large', request('ok'));
  expect(running(engines)).toEqual(['large']);
});

it('holds no more engines than it may', async () => {
  const engines = openEngines(0, { maxEngines: 1 });
  await engines.load('a');
  await engines.transcribe('b', request('ok'));
  expect(running(engines)).toEqual(['b']);
});

it('fails a call with what its engine could not start with, and frees its room', async () => {
  const engines = openEngines(1.5 * GB);
  await expect(engines.transcribe('missing', request('ok'))).rejects.toMatchObject({ code: 'model_missing' });
  await engines.transcribe('base', request('ok'));
  expect(running(engines)).toEqual(['base']);
});

it('ends everything when closed, what waits too, and takes no more', async () => {
  const engines = openEngines(1.5 * GB);
  await workOn(engines, 'a');
  const waiting = engines.transcribe('b', request('ok'));
  const outcome = expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  await engines.close();
  await outcome;
  expect(running(engines)).toEqual([]);
  await expect(engines.load('c')).rejects.toMatchObject({ code: 'cancelled' });
  expect(started('b') + started('c')).toBe(0);
});
