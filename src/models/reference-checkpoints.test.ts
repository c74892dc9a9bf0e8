import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scratchFolder } from './fixtures/scratch-folder.ts';
import { openTorch } from './readers/torch.ts';
import { ModelStore } from './store.ts';
import { openWhisperCheckpoint, type WhisperCheckpoint } from './whisper-checkpoint.ts';

const SCRIPT = fileURLToPath(new URL('./fixtures/write-reference-checkpoints.py', import.meta.url));
const PYTHONS = [
  process.env.DIARIST_TEST_PYTHON,
  join(homedir(), '.cache', 'diarist-peers', 'venv', 'bin', 'python'),
  'python3',
];
const CAN_WRITE =
  'from importlib.util import find_spec as f; import sys; sys.exit(not all(map(f, ["transformers", "ctranslate2", "torch", "safetensors"])))';
const python = PYTHONS.find((command) => command && spawnSync(command, ['-c', CAN_WRITE]).status === 0);
if (python === undefined) {
  console.log('Skipped: no Python with transformers, ctranslate2, torch and safetensors (set DIARIST_TEST_PYTHON).');
}

interface Expected {
  readonly dtype: string;
  readonly dims: readonly number[];
  readonly mean: number;
  readonly cells: readonly [first: number, third: number, last: number];
}

const folder = scratchFolder();
afterAll(() => folder[Symbol.dispose]());

async function open(name: string): Promise<WhisperCheckpoint> {
  const store = new ModelStore({ cacheDir: join(folder.path, 'cache'), env: {} });
  const model = await store.find(join(folder.path, name));
  if (model === null) throw new Error(`the store did not find ${name}`);
  return openWhisperCheckpoint(model);
}

/** Written by transformers 5.23.0, ctranslate2 4.8.5, torch 2.15.0 and safetensors 0.8.0 when the figures were last seen. */
describe.skipIf(python === undefined)('checkpoints that the real libraries wrote', () => {
  beforeAll(() => {
    const run = spawnSync(python ?? '', [SCRIPT, folder.path], { encoding: 'utf8', timeout: 240_000 });
    if (run.status !== 0) throw new Error(run.stderr);
    console.log(run.stdout.trim().split('\n').at(-1));
  }, 300_000);

  test.each(['sharded', 'torch', 'ct2-float32'])(
    '%s: every tensor is that of transformers’ safetensors',
    async (name) => {
      const reference = await open('safetensors');
      const other = await open(name);
      expect(other.dims).toEqual(reference.dims);
      expect(reference.dims).toEqual({
        mels: 80,
        audioContext: 30,
        textContext: 20,
        width: 16,
        heads: 2,
        encoderLayers: 2,
        decoderLayers: 2,
        vocabulary: 60,
      });
      const names = reference.weights.names();
      expect(names).toHaveLength(2 * 3 + 4 + 2 * 12 + 2 * 20 + 2);
      for (const tensor of names) {
        expect([tensor, other.weights.read(tensor)]).toEqual([tensor, reference.weights.read(tensor)]);
      }
      reference.weights.close();
      other.weights.close();
    },
  );

  test.each(['float16', 'bfloat16', 'int16', 'int8', 'int8_float16', 'int8_float32', 'int8_bfloat16'])(
    'ctranslate2 %s: values are those that numpy makes of the file',
    async (type) => {
      const expected = JSON.parse(readFileSync(join(folder.path, `expected-${type}.json`), 'utf8')) as Record<
        string,
        Expected
      >;
      const { weights } = await open(`ct2-${type}`);
      const original = await open('safetensors');
      for (const [name, { dtype, dims, mean, cells }] of Object.entries(expected)) {
        const { data } = weights.read(name);
        expect([name, weights.dtype(name), weights.dims(name)]).toEqual([name, dtype, dims]);
        expect(data.reduce((sum, value) => sum + value, 0) / data.length).toBeCloseTo(mean, 6);
        const found = [data[0]!, data[Math.floor(data.length / 3)]!, data.at(-1)!];
        for (const [index, cell] of cells.entries()) expect(found[index]).toBeCloseTo(cell, 6);
        // Half a step of the coarsest type: int8 rows whose largest weight is 1.
        const written = original.weights.read(name).data;
        const error = data.reduce((worst, value, index) => Math.max(worst, Math.abs(value - written[index]!)), 0);
        expect([name, error < 0.5 / 127 + 1e-6]).toEqual([name, true]);
      }
      weights.close();
      original.weights.close();
    },
  );

  test('a whole module saved by torch is refused by the name of its class', () => {
    const path = join(folder.path, 'module.pt');
    expect(existsSync(path)).toBe(true);
    expect(() => openTorch(path)).toThrow(/asks to run "__main__\.WholeModule"/);
  });
});
