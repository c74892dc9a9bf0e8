import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scratchFolder } from './fixtures/scratch-folder.ts';
import { TINY_DIMS, tinyCTranslate2Variables, writeTinyWhisper } from './fixtures/tiny-whisper.ts';
import { ModelStore } from './store.ts';
import type { ResolvedModel } from './types.ts';
import { openWhisperCheckpoint } from './whisper-checkpoint.ts';

const FORMATS = ['ctranslate2', 'safetensors', 'sharded', 'torch'] as const;

async function tinyModel(folder: string, format: (typeof FORMATS)[number]): Promise<ResolvedModel> {
  const dir = join(folder, format);
  writeTinyWhisper(dir, format);
  const found = await new ModelStore({ cacheDir: join(folder, 'cache'), env: {} }).find(dir);
  if (found === null) throw new Error('the store did not find what was written');
  return found;
}

test.each(FORMATS)('%s: every canonical tensor has the values that were written', async (format) => {
  using folder = scratchFolder();
  const { weights, dims } = openWhisperCheckpoint(await tinyModel(folder.path, format));
  expect(dims).toEqual(TINY_DIMS);
  for (const [name, { dims: shape, dtype, bytes }] of tinyCTranslate2Variables()) {
    if (dtype !== 'float32') continue;
    expect([name, weights.dims(name)]).toEqual([name, shape]);
    expect([name, weights.raw(name)]).toEqual([name, bytes]);
    expect([name, weights.read(name).data]).toEqual([
      name,
      new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
    ]);
  }
  expect(weights.read('decoder/projection/weight')).toEqual(weights.read('decoder/embeddings/weight'));
  weights.close();
});

test('settings: what the model states is used, what it does not state is the default', async () => {
  using folder = scratchFolder();
  const model = await tinyModel(folder.path, 'safetensors');
  const write = (file: string, value: object) => writeFileSync(join(model.dir, file), JSON.stringify(value));
  const read = () => {
    const { weights, ...rest } = openWhisperCheckpoint(model);
    weights.close();
    return rest;
  };
  write('config.json', { encoder_attention_heads: 2 });
  // Three decoder layers of two heads: the last half is layers 1 and 2.
  expect(read().alignmentHeads).toEqual([
    [1, 0],
    [1, 1],
    [2, 0],
    [2, 1],
  ]);
  expect(read().suppressTokens).toEqual([1, 2, 7, 8, 9, 10]);
  expect(read().multilingual).toBe(false);
  const stated = { suppress_tokens: [5, 3], begin_suppress_tokens: [4], alignment_heads: [[0, 1]] };
  write('generation_config.json', stated);
  expect(read()).toMatchObject({ suppressTokens: [3, 5], suppressTokensAtBegin: [4], alignmentHeads: [[0, 1]] });
  // Distilled models repeat the heads of a teacher with more layers.
  write('generation_config.json', {
    suppress_tokens: [-1],
    alignment_heads: [
      [31, 1],
      [2, 7],
      [2, 1],
    ],
  });
  expect(read()).toMatchObject({ suppressTokens: [1, 2, 7, 8, 9, 10], alignmentHeads: [[2, 1]] });
});

test('tokenizer: a vocabulary stands in where there is no tokenizer.json; neither is an error', async () => {
  using folder = scratchFolder();
  const model = await tinyModel(folder.path, 'ctranslate2');
  const open = () => {
    const { weights, tokenizerPath, vocabularyPath } = openWhisperCheckpoint(model);
    weights.close();
    return { tokenizerPath, vocabularyPath };
  };
  expect(open()).toEqual({ tokenizerPath: join(model.dir, 'tokenizer.json'), vocabularyPath: undefined });
  rmSync(join(model.dir, 'tokenizer.json'));
  expect(open).toThrow(expect.objectContaining({ code: 'model_missing' }));
  writeFileSync(join(model.dir, 'vocabulary.txt'), 'a\nb\n');
  expect(open()).toEqual({ tokenizerPath: undefined, vocabularyPath: join(model.dir, 'vocabulary.txt') });
});

test('damaged settings are model_corrupt', async () => {
  using folder = scratchFolder();
  const model = await tinyModel(folder.path, 'torch');
  writeFileSync(join(model.dir, 'config.json'), '{"cut');
  expect(() => openWhisperCheckpoint(model)).toThrow(expect.objectContaining({ code: 'model_corrupt' }));
});
