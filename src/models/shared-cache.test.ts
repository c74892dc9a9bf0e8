import { readdirSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scratchFolder } from './fixtures/scratch-folder.ts';
import { writeTinyWhisper } from './fixtures/tiny-whisper.ts';
import { ModelStore } from './store.ts';

/** A store of its own below `folder`, and one that others filled. */
async function setUp(folder: string): Promise<{ store: ModelStore; shared: string; cacheDir: string }> {
  const shared = join(folder, 'shared');
  const published = join(folder, 'published');
  writeTinyWhisper(published, 'ctranslate2');
  await new ModelStore({ cacheDir: shared, env: {} }).import(published, { name: 'ours' });
  const cacheDir = join(folder, 'own');
  const env = { DIARIST_SHARED_CACHE: shared, HF_HOME: join(folder, 'hf') };
  return { store: new ModelStore({ cacheDir, env }), shared, cacheDir };
}

test('a model of the shared cache is used where it lies, and nothing is written there', async () => {
  using folder = scratchFolder();
  const { store, shared, cacheDir } = await setUp(folder.path);
  const before = readdirSync(shared, { recursive: true });
  const found = await store.ensure('ours', { offline: true });
  expect(found.dir).toBe(join(shared, 'models', 'ours'));
  expect(await store.verify('ours')).toMatchObject({ dir: found.dir, problems: [] });
  expect((await store.list()).find(({ name }) => name === 'ours')).toMatchObject({ dir: found.dir });
  await expect(store.remove('ours')).rejects.toMatchObject({ code: 'usage' });
  expect(readdirSync(shared, { recursive: true })).toEqual(before);
  expect(await new ModelStore({ cacheDir, env: { HF_HOME: folder.path } }).list()).not.toContainEqual(
    expect.objectContaining({ name: 'ours' }),
  );
});

test('the own store comes first, and the shared one steps in for a damaged model', async () => {
  using folder = scratchFolder();
  const { store, shared, cacheDir } = await setUp(folder.path);
  const own = await store.import(join(folder.path, 'published'), { name: 'ours' });
  expect((await store.find('ours'))?.dir).toBe(own.dir);
  truncateSync(own.weights, 10);
  expect((await store.find('ours'))?.dir).toBe(join(shared, 'models', 'ours'));
  rmSync(shared, { recursive: true });
  await expect(store.ensure('ours', { offline: true })).rejects.toMatchObject({ code: 'model_corrupt' });
  expect(own.dir.startsWith(cacheDir)).toBe(true);
});
