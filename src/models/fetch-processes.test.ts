import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { sha256, startHub } from './fixtures/hub-server.ts';
import { scratchFolder } from './fixtures/scratch-folder.ts';
import { writeTinyWhisper } from './fixtures/tiny-whisper.ts';

const REPO = 'someone/tiny-whisper';
const PROGRAM = fileURLToPath(new URL('./fixtures/ensure-model.ts', import.meta.url));

interface Event {
  readonly event: 'progress' | 'waiting' | 'done' | 'failed';
  readonly receivedBytes?: number;
  readonly model?: { readonly weightHash: string };
  readonly error?: string;
}

function start(cacheDir: string, endpoint: string): ChildProcessWithoutNullStreams {
  const env = { PATH: process.env.PATH, HF_ENDPOINT: endpoint, HF_HOME: cacheDir, HOME: cacheDir };
  const child = spawn(process.execPath, [PROGRAM, cacheDir, `hub:${REPO}`], { env, stdio: 'pipe' });
  child.stderr.pipe(process.stderr);
  return child;
}

const events = async function* (child: ChildProcessWithoutNullStreams): AsyncGenerator<Event> {
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line) as Event;
};

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function publish(folder: string): { files: Map<string, Buffer>; weightHash: string } {
  const dir = join(folder, 'published');
  writeTinyWhisper(dir, 'ctranslate2');
  const files = new Map(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))] as const));
  // Padding in a file of its own makes the fetch long enough to be met in the middle.
  files.set('merges.txt', Buffer.alloc(1_000_000, 'merge '));
  return { files, weightHash: sha256(files.get('model.bin') ?? Buffer.alloc(0)) };
}

test('two processes that want the same model make one download', async () => {
  using folder = scratchFolder();
  const { files, weightHash } = publish(folder.path);
  await using hub = await startHub(REPO, files);
  hub.faults.pauseMs = 20;
  const cacheDir = join(folder.path, 'cache');
  const first = start(cacheDir, hub.endpoint);
  const firstEvents = events(first);
  expect((await firstEvents.next()).value).toMatchObject({ event: 'progress' });
  const second = start(cacheDir, hub.endpoint);
  const secondEvents = await collect(events(second));
  const last = (await collect(firstEvents)).at(-1);
  expect(last).toMatchObject({ event: 'done', model: { weightHash } });
  expect(secondEvents).toEqual([{ event: 'waiting' }, expect.objectContaining({ event: 'done', model: last?.model })]);
  expect(hub.requests.filter((request) => request.includes('/storage/model.bin'))).toHaveLength(1);
  expect(hub.requests.filter((request) => request.includes('/api/'))).toHaveLength(1);
});

test('after kill -9 in the middle nothing looks whole, and the next process goes on where that one stopped', async () => {
  using folder = scratchFolder();
  const { files, weightHash } = publish(folder.path);
  await using hub = await startHub(REPO, files);
  hub.faults.pauseMs = 5;
  const cacheDir = join(folder.path, 'cache');
  const killed = start(cacheDir, hub.endpoint);
  for await (const event of events(killed)) {
    if ((event.receivedBytes ?? 0) < 200_000) continue;
    killed.kill('SIGKILL');
    break;
  }
  if (killed.exitCode === null && killed.signalCode === null) await once(killed, 'exit');
  expect(readdirSync(join(cacheDir, 'models')).filter((name) => !name.startsWith('.'))).toEqual([]);
  expect(readdirSync(join(cacheDir, 'models', '.locks'))).toHaveLength(1);
  hub.faults.pauseMs = 0;
  const log = await collect(events(start(cacheDir, hub.endpoint)));
  expect(log.at(-1)).toMatchObject({ event: 'done', model: { weightHash } });
  const resumed = hub.requests.find((request) => request.includes('/storage/merges.txt bytes='));
  expect(Number(/bytes=(\d+)-/.exec(resumed ?? '')?.[1])).toBeGreaterThanOrEqual(150_000);
  expect(readdirSync(join(cacheDir, 'models', '.locks'))).toEqual([]);
});
