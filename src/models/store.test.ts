import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { COMMIT, type HubServer, sha256, startHub } from './fixtures/hub-server.ts';
import { scratchFolder } from './fixtures/scratch-folder.ts';
import { writeTinyWhisper } from './fixtures/tiny-whisper.ts';
import { ModelStore } from './store.ts';

const REPO = 'someone/tiny-whisper';
const REFERENCE = `hub:${REPO}`;

/** A hub that holds a tiny Whisper, and a store that asks it. */
async function setUp(
  folder: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ hub: HubServer; store: ModelStore; cacheDir: string; env: NodeJS.ProcessEnv }> {
  const model = join(folder, 'published');
  writeTinyWhisper(model, 'ctranslate2');
  const files = new Map(readdirSync(model).map((name) => [name, readFileSync(join(model, name))] as const));
  files.set('README.md', Buffer.from('not needed'));
  const hub = await startHub(REPO, files);
  const cacheDir = join(folder, 'cache');
  const all = { HF_ENDPOINT: hub.endpoint, HF_HOME: join(folder, 'hf'), XDG_CACHE_HOME: join(folder, 'xdg'), ...env };
  return { hub, cacheDir, env: all, store: new ModelStore({ cacheDir, env: all }) };
}

const partials = (cacheDir: string): readonly string[] => {
  const dir = join(cacheDir, 'models', '.partial');
  return existsSync(dir) ? readdirSync(dir) : [];
};

/** Waits until the client has reported as many bytes as the server has sent. */
function caughtUp(hub: HubServer): {
  onProgress: (progress: { receivedBytes: number }) => void;
  wait: () => Promise<void>;
} {
  let received = 0;
  let wake = () => {};
  return {
    onProgress: ({ receivedBytes }) => {
      received = receivedBytes;
      wake();
    },
    wait: async () => {
      while (received < hub.sentBytes()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

test('a repository is fetched once, verified, and found without network afterwards', async () => {
  using folder = scratchFolder();
  const setup = await setUp(folder.path);
  const seen: number[] = [];
  let dir = '';
  {
    await using hub = setup.hub;
    expect(await setup.store.find(REFERENCE)).toBeNull();
    const model = await setup.store.ensure(REFERENCE, { onProgress: ({ receivedBytes }) => seen.push(receivedBytes) });
    dir = model.dir;
    const published = readFileSync(join(folder.path, 'published', 'model.bin'));
    expect(model).toMatchObject({
      name: REFERENCE,
      role: 'whisper',
      format: 'ctranslate2',
      weightHash: sha256(published),
    });
    expect(readFileSync(model.weights)).toEqual(published);
    expect(readdirSync(dir).sort()).toEqual(['config.json', 'manifest.json', 'model.bin', 'tokenizer.json']);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(hub.authorizations().every((header) => header === undefined)).toBe(true);
  }
  const again = new ModelStore({ cacheDir: setup.cacheDir, env: setup.env });
  expect((await again.ensure(REFERENCE)).dir).toBe(dir);
  expect((await again.verify(REFERENCE)).problems).toEqual([]);
  expect(partials(setup.cacheDir)).toEqual([]);
});

test('dropped connections are resumed with Range, and every byte is sent once', async () => {
  using folder = scratchFolder();
  const { hub, store } = await setUp(folder.path);
  await using _hub = hub;
  hub.faults.cutAfterBytes = 3000;
  hub.faults.cuts = 2;
  const client = caughtUp(hub);
  hub.faults.beforeCut = client.wait;
  const model = await store.ensure(REFERENCE, { onProgress: client.onProgress });
  const ranges = hub.requests.filter((request) => request.includes('/storage/model.bin'));
  expect(ranges).toEqual([
    'GET /storage/model.bin',
    'GET /storage/model.bin bytes=3000-',
    'GET /storage/model.bin bytes=6000-',
  ]);
  expect((await store.verify(REFERENCE)).problems).toEqual([]);
  const total = readdirSync(model.dir)
    .filter((name) => name !== 'manifest.json')
    .reduce((sum, name) => sum + statSync(join(model.dir, name)).size, 0);
  expect(hub.sentBytes()).toBe(total);
});

test('a server that ignores Range, and one that is busy for a while, still give the right bytes', async () => {
  using folder = scratchFolder();
  const { hub, store } = await setUp(folder.path);
  await using _hub = hub;
  Object.assign(hub.faults, { cutAfterBytes: 2000, cuts: 1, ignoreRange: true, busyTimes: 1 });
  await store.ensure(REFERENCE);
  expect((await store.verify(REFERENCE)).problems).toEqual([]);
});

test('bytes that arrive wrong once are fetched again; wrong twice is an error that leaves nothing that looks whole', async () => {
  using folder = scratchFolder();
  const { hub, store, cacheDir } = await setUp(folder.path);
  await using _hub = hub;
  hub.faults.corruptions = 2;
  await expect(store.ensure(REFERENCE)).rejects.toMatchObject({ code: 'model_corrupt' });
  expect(await store.find(REFERENCE)).toBeNull();
  expect(await new ModelStore({ cacheDir, env: {} }).find(REFERENCE)).toBeNull();
  hub.faults.corruptions = 1;
  await store.ensure(REFERENCE);
  expect((await store.verify(REFERENCE)).problems).toEqual([]);
});

test.each([
  [401, null, 'model_missing', /HF_TOKEN/],
  [403, 'GatedRepo', 'model_missing', /accept its conditions/],
  [404, 'RepoNotFound', 'model_missing', /no model someone\/tiny-whisper/],
  [500, null, 'network', /answered 500/],
])('an answer of %d (%s) is %s', async (status, errorCode, code, message) => {
  using folder = scratchFolder();
  const { hub, store, cacheDir } = await setUp(folder.path);
  await using _hub = hub;
  Object.assign(hub.faults, { status, errorCode });
  const failure = await store.ensure(REFERENCE).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
  expect(readdirSync(join(cacheDir, 'models', '.locks'))).toEqual([]);
});

test('the token goes to the hub and not to the storage that it redirects to', async () => {
  using folder = scratchFolder();
  const { hub, store } = await setUp(folder.path, { HF_TOKEN: 'secret' });
  await using _hub = hub;
  await store.ensure(REFERENCE);
  const sent = hub.requests.map((request, index) => [request.includes('/storage/'), hub.authorizations()[index]]);
  expect(sent).toContainEqual([true, undefined]);
  expect(sent.filter(([storage, header]) => storage === (header !== undefined))).toEqual([]);
});

test('offline asks nobody: by option and by HF_HUB_OFFLINE', async () => {
  using folder = scratchFolder();
  const { hub, store, cacheDir, env } = await setUp(folder.path);
  await using _hub = hub;
  await expect(store.ensure(REFERENCE, { offline: true })).rejects.toMatchObject({
    code: 'model_missing',
    message: expect.stringContaining(`diarist models pull ${REFERENCE}`),
  });
  const offline = new ModelStore({ cacheDir, env: { ...env, HF_HUB_OFFLINE: '1' } });
  await expect(offline.ensure(REFERENCE)).rejects.toThrow(/HF_HUB_OFFLINE is set/);
  expect(hub.requests).toEqual([]);
});

test('an unreachable hub is a network error that says which', async () => {
  using folder = scratchFolder();
  const { hub, store } = await setUp(folder.path);
  const host = new URL(hub.endpoint).host;
  await hub[Symbol.asyncDispose]();
  await expect(store.ensure(REFERENCE)).rejects.toMatchObject({
    code: 'network',
    message: expect.stringContaining(host),
  });
});

test('a cancelled fetch goes on where it stopped', async () => {
  using folder = scratchFolder();
  const { hub, store, cacheDir } = await setUp(folder.path);
  await using _hub = hub;
  hub.faults.cutAfterBytes = 5000;
  hub.faults.cuts = 1;
  // The server falls silent after the first bytes.
  hub.faults.beforeCut = () => new Promise(() => {});
  const controller = new AbortController();
  const onProgress = ({ receivedBytes }: { receivedBytes: number }) => {
    if (receivedBytes >= 5000) controller.abort();
  };
  await expect(store.ensure(REFERENCE, { signal: controller.signal, onProgress })).rejects.toMatchObject({
    code: 'cancelled',
  });
  expect(partials(cacheDir)).toHaveLength(1);
  expect(await store.find(REFERENCE)).toBeNull();
  await store.ensure(REFERENCE);
  expect(hub.requests.filter((request) => request.startsWith('GET /storage/model.bin bytes='))).toHaveLength(1);
  expect(partials(cacheDir)).toEqual([]);
});

test('a disk that is too small is told before anything is fetched', async () => {
  using folder = scratchFolder();
  const files = new Map([
    ['model.bin', Buffer.alloc(2000)],
    ['tokenizer.json', Buffer.from('{}')],
  ]);
  Object.defineProperty(files.get('model.bin'), 'length', { value: 2 ** 50 });
  await using hub = await startHub(REPO, files);
  const store = new ModelStore({ cacheDir: folder.path, env: { HF_ENDPOINT: hub.endpoint, HF_HOME: folder.path } });
  await expect(store.ensure(REFERENCE)).rejects.toMatchObject({ code: 'disk_full' });
  expect(hub.requests).toHaveLength(1);
});

test('a repository that holds no Whisper is refused and not kept', async () => {
  using folder = scratchFolder();
  await using hub = await startHub(REPO, new Map([['weights.gguf', Buffer.alloc(10)]]));
  const store = new ModelStore({ cacheDir: folder.path, env: { HF_ENDPOINT: hub.endpoint, HF_HOME: folder.path } });
  await expect(store.ensure(REFERENCE)).rejects.toMatchObject({ code: 'model_unsupported' });
  await using other = await startHub(
    REPO,
    new Map([
      ['model.bin', Buffer.alloc(5000, 9)],
      ['tokenizer.json', Buffer.from('{}')],
    ]),
  );
  const second = new ModelStore({ cacheDir: folder.path, env: { HF_ENDPOINT: other.endpoint, HF_HOME: folder.path } });
  await expect(second.ensure(REFERENCE)).rejects.toMatchObject({ code: 'model_unsupported' });
  expect(await second.find(REFERENCE)).toBeNull();
  expect(partials(folder.path)).toEqual([]);
});

test('a snapshot in the Hugging Face cache is used where it lies; an incomplete one is not', async () => {
  using folder = scratchFolder();
  const hubCache = join(folder.path, 'hub');
  const repo = join(hubCache, `models--${REPO.replace('/', '--')}`);
  const blobs = join(repo, 'blobs');
  const snapshot = join(repo, 'snapshots', COMMIT);
  mkdirSync(snapshot, { recursive: true });
  mkdirSync(join(repo, 'refs'), { recursive: true });
  writeFileSync(join(repo, 'refs', 'main'), COMMIT);
  writeTinyWhisper(blobs, 'safetensors');
  const env = { HF_HUB_CACHE: hubCache, HF_HUB_OFFLINE: '1', HOME: folder.path };
  const store = new ModelStore({ cacheDir: join(folder.path, 'cache'), env });
  for (const name of ['config.json', 'model.safetensors']) symlinkSync(join(blobs, name), join(snapshot, name));
  expect(await store.find(REFERENCE)).toBeNull();
  symlinkSync(join(blobs, 'tokenizer.json'), join(snapshot, 'tokenizer.json'));
  const model = await store.ensure(REFERENCE);
  expect(model).toMatchObject({ dir: snapshot, format: 'safetensors' });
  expect(model.weightHash).toBe(sha256(readFileSync(join(blobs, 'model.safetensors'))));
  await expect(store.remove(REFERENCE)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining(snapshot),
  });
  // Bytes that are not those of the catalogue do not pass for one of its models.
  renameSync(repo, join(hubCache, 'models--Systran--faster-whisper-base'));
  expect(await store.find('base')).toBeNull();
});

test('damage is seen, named and repaired', async () => {
  using folder = scratchFolder();
  const { hub, store } = await setUp(folder.path);
  await using _hub = hub;
  const { weights } = await store.ensure(REFERENCE);
  const bytes = readFileSync(weights);
  bytes[bytes.length - 200]! ^= 1;
  writeFileSync(weights, bytes);
  expect((await store.verify(REFERENCE)).problems).toEqual([expect.stringContaining('model.bin has changed')]);
  truncateSync(weights, 100);
  expect((await store.verify(REFERENCE)).problems).toEqual([expect.stringContaining('model.bin has 100 bytes')]);
  await expect(store.ensure(REFERENCE, { offline: true })).rejects.toMatchObject({ code: 'model_corrupt' });
  await store.ensure(REFERENCE);
  expect((await store.verify(REFERENCE)).problems).toEqual([]);
});

test('import copies a model under a name, which list, path, verify and remove then know', async () => {
  using folder = scratchFolder();
  const source = join(folder.path, 'my-model');
  writeTinyWhisper(source, 'sharded');
  const cacheDir = join(folder.path, 'cache');
  const store = new ModelStore({ cacheDir, env: { HOME: folder.path } });
  const original = await store.find(source);
  const imported = await store.import(source, { name: 'ours' });
  expect(imported).toMatchObject({
    name: 'ours',
    role: 'whisper',
    format: 'safetensors',
    weightHash: original?.weightHash,
  });
  expect(await store.path('ours')).toBe(imported.dir);
  expect((await store.verify('ours')).problems).toEqual([]);
  expect(await store.list()).toContainEqual(
    expect.objectContaining({ name: 'ours', dir: imported.dir, origin: 'import' }),
  );
  await expect(store.find('ourz')).rejects.toMatchObject({
    code: 'unknown_model',
    message: "Unknown model 'ourz': did you mean ours?",
  });
  await store.remove('ours');
  expect(existsSync(imported.dir)).toBe(false);
  await expect(store.find('ours')).rejects.toMatchObject({ code: 'unknown_model' });
  await expect(store.import(source, { name: 'base' })).rejects.toMatchObject({ code: 'usage' });
  await expect(store.import(source, { name: '../out' })).rejects.toMatchObject({ code: 'usage' });
  expect(partials(cacheDir)).toEqual([]);
  // Where the catalogue knows no bytes, its name may be taken: the way onto a machine without network.
  expect(await store.import(source, { name: 'small.en' })).toMatchObject({ name: 'small.en', format: 'safetensors' });
});
