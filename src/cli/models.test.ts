import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type HubServer, startHub } from '../models/fixtures/hub-server.ts';
import { scratchFolder } from '../models/fixtures/scratch-folder.ts';
import { writeTinyWhisper } from '../models/fixtures/tiny-whisper.ts';
import { ModelProgress } from './model-progress.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const REPO = 'someone/tiny-whisper';
const REFERENCE = `hub:${REPO}`;

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Starts `diarist models …` as a person would, with a cache and hub of its own. */
function start(folder: string, endpoint: string, args: readonly string[]) {
  const env = { PATH: process.env.PATH, HOME: folder, DIARIST_CACHE: join(folder, 'cache'), HF_ENDPOINT: endpoint };
  return spawn(process.execPath, [MAIN, 'models', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function run(folder: string, endpoint: string, ...args: string[]): Promise<Run> {
  const child = start(folder, endpoint, args);
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, out, err };
}

async function publish(folder: string): Promise<HubServer> {
  const dir = join(folder, 'published');
  writeTinyWhisper(dir, 'ctranslate2');
  return startHub(REPO, new Map(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))] as const)));
}

test('pull, path, list, verify and remove, as a person uses them', async () => {
  using folder = scratchFolder();
  await using hub = await publish(folder.path);
  const models = (...args: string[]) => run(folder.path, hub.endpoint, ...args);
  const pulled = await models('pull', REFERENCE);
  expect(pulled).toMatchObject({ code: 0, out: '' });
  expect(pulled.err).toMatch(/^Fetching hub:someone\/tiny-whisper from Hugging Face \(\d+ kB\)\n/);
  expect(pulled.err).not.toContain('\r');

  const dir = (await models('path', REFERENCE)).out.trimEnd();
  expect(readdirSync(dir)).toContain('model.bin');
  const listed = JSON.parse((await models('list', '--json')).out) as { name: string; dir: string | null }[];
  expect(listed.filter((model) => model.dir !== null)).toEqual([expect.objectContaining({ name: REFERENCE, dir })]);
  expect((await models('list')).out).toMatch(new RegExp(`^✓ +${REFERENCE} `, 'm'));
  expect(await models('verify')).toMatchObject({ code: 0, out: expect.stringMatching(/^ok /) });

  const weights = join(dir, 'model.bin');
  const bytes = readFileSync(weights);
  bytes[bytes.length - 300]! ^= 4;
  writeFileSync(weights, bytes);
  const broken = await models('verify', REFERENCE);
  expect(broken).toMatchObject({ code: 4, out: expect.stringContaining('model.bin has changed') });
  expect(broken.err).toContain(`diarist models pull ${REFERENCE}`);

  const { weightHash } = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as { weightHash: string };
  const graphs = ['1'.repeat(24), weightHash.slice(0, 24)].map((hash) =>
    join(folder.path, 'cache', 'graphs', `whisper-1-int8-${hash}`),
  );
  for (const set of graphs) mkdirSync(set, { recursive: true });
  expect((await models('remove', REFERENCE)).code).toBe(0);
  expect(existsSync(dir)).toBe(false);
  expect(graphs.map((set) => existsSync(set))).toEqual([true, false]);
  expect(await models('path', REFERENCE)).toMatchObject({ code: 4, out: '' });
  expect(await models('pull', 'bsae')).toMatchObject({ code: 2, err: expect.stringContaining('did you mean base?') });
});

test('import puts a folder under a name', async () => {
  using folder = scratchFolder();
  const source = join(folder.path, 'mine');
  writeTinyWhisper(source, 'safetensors');
  const imported = await run(folder.path, 'http://127.0.0.1:9', 'import', source, '--name', 'ours');
  expect(imported).toMatchObject({ code: 0, err: expect.stringContaining('Imported ours') });
  expect((await run(folder.path, 'http://127.0.0.1:9', 'path', 'ours')).out).toContain(join('cache', 'models', 'ours'));
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s ends a pull at once with %i, and nothing looks whole', async (signal, exitCode) => {
  using folder = scratchFolder();
  await using hub = await publish(folder.path);
  const child = start(folder.path, hub.endpoint, ['pull', REFERENCE]);
  // The server falls silent in the middle, and that is when the person loses patience.
  const fallSilent = () => {
    child.kill(signal);
    return new Promise(() => {});
  };
  Object.assign(hub.faults, { cutAfterBytes: 4000, cuts: 1, beforeCut: fallSilent });
  const [err] = await Promise.all([text(child.stderr), once(child, 'close')]);
  expect(child.exitCode).toBe(exitCode);
  expect(err).toContain('the same command goes on from there');
  expect(await run(folder.path, hub.endpoint, 'path', REFERENCE)).toMatchObject({ code: 4 });
  expect(await run(folder.path, hub.endpoint, 'pull', REFERENCE)).toMatchObject({ code: 0 });
});

test('progress is a bar that is drawn over on a terminal, and a few lines elsewhere', () => {
  const show = (isTTY: boolean): string => {
    let shown = '';
    const progress = new ModelProgress({ isTTY, columns: 60, write: (piece) => (shown += piece) });
    for (let receivedBytes = 0; receivedBytes <= 1000; receivedBytes += 10) {
      progress.update({ model: 'base', source: 'a hub', receivedBytes, totalBytes: 1000 });
    }
    progress.note('done');
    return shown;
  };
  expect(show(false)).toBe(
    'Fetching base from a hub (1 kB)\n  25 %  250 bytes of 1 kB\n  50 %  500 bytes of 1 kB\n  75 %  750 bytes of 1 kB\n  100 %  1 kB of 1 kB\ndone\n',
  );
  const frames = show(true).split('\r\u001b[2K');
  expect(frames.at(-2)).toBe(`${'█'.repeat(24)} 100 %  1 kB of 1 kB`);
  expect(frames.at(-1)).toBe('done\n');
  expect(frames.every((frame) => frame.trimEnd().length < 60)).toBe(true);
});
