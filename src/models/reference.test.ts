import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CATALOGUE, catalogueEntry } from './catalogue.ts';
import { scratchFolder } from './fixtures/scratch-folder.ts';
import { nearestModelNames, parseReference } from './reference.ts';

test.each([
  ['turbo', 'large-v3-turbo'],
  ['large', 'large-v3'],
  ['whisper-1', 'base'],
  ['Systran/faster-whisper-base', 'base'],
  ['openai/whisper-base', 'base'],
  ['openai/whisper-large', 'large-v1'],
  ['openai/whisper-large-v3-turbo', 'large-v3-turbo'],
  ['distil-whisper/distil-large-v3', 'distil-large-v3'],
  ['hub:Systran/faster-whisper-small', 'small'],
  ['BASE', 'base'],
  ['pyannote/segmentation-3.0', 'segmentation-3.0'],
])('%s is %s', (reference, name) => {
  const parsed = parseReference(reference);
  expect(parsed.kind === 'catalogue' && parsed.entry.name).toBe(name);
});

test('no two models share a name or alias', () => {
  const names = CATALOGUE.flatMap((entry) => [entry.name, ...entry.aliases].map((name) => name.toLowerCase()));
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  for (const entry of CATALOGUE) {
    for (const name of [entry.name, ...entry.aliases]) expect(catalogueEntry(name)).toBe(entry);
  }
});

test('every model has a source, and what comes as a wheel is pinned to the byte', () => {
  for (const entry of CATALOGUE) {
    expect([entry.name, entry.hub !== undefined || entry.python !== undefined]).toEqual([entry.name, true]);
    for (const file of entry.files) expect(file.sha256).toMatch(/^[0-9a-f]{64}$/);
    const targets = (entry.python ?? []).flatMap((item) => item.members.map((member) => member.target));
    const pinned = entry.files.map((file) => file.path);
    expect(targets.every((target) => pinned.includes(target))).toBe(true);
    if (targets.length > 0) expect(pinned).toContain(entry.weights);
  }
});

test('hub references', () => {
  expect(parseReference('hub:a/b')).toEqual({ kind: 'hub', repo: 'a/b', revision: 'main' });
  expect(parseReference('hub:a/b@refs/pr/3')).toEqual({ kind: 'hub', repo: 'a/b', revision: 'refs/pr/3' });
  expect(parseReference('hub:Systran/faster-whisper-base@v1')).toMatchObject({ kind: 'hub', revision: 'v1' });
  for (const wrong of ['hub:', 'hub:base', 'hub:../etc/passwd', 'hub:a/b/c', 'hub:../x']) {
    expect(() => parseReference(wrong)).toThrow(expect.objectContaining({ code: 'unknown_model' }));
  }
});

test('paths: one that is there, one that is not, and a repository name without hub:', () => {
  using folder = scratchFolder();
  const path = join(folder.path, 'models', 'mine');
  mkdirSync(path, { recursive: true });
  expect(parseReference(path)).toEqual({ kind: 'path', path });
  expect(() => parseReference(join(folder.path, 'none'))).toThrow(expect.objectContaining({ code: 'model_missing' }));
  expect(() => parseReference('someone/whisper-thing')).toThrow(/write hub:someone\/whisper-thing/);
  expect(parseReference('mine')).toEqual({ kind: 'name', name: 'mine' });
});

test.each([
  ['bsae', 'base'],
  ['smal', 'small'],
  ['larg-v3', 'large-v3'],
  ['trubo', 'turbo'],
  ['campluss', 'campplus'],
])('%s suggests %s first', (wrong, right) => {
  expect(nearestModelNames(wrong)[0]).toBe(right);
});

test('nothing near, nothing suggested', () => {
  expect(nearestModelNames('parakeet-tdt-0.6b')).toEqual([]);
});
