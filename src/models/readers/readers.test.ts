import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { WeightSource } from '../../core/tensors.ts';
import {
  bytesOf,
  type FixtureTensor,
  floatTensor,
  pickleCall,
  writeCTranslate2,
  writeSafetensors,
  writeTorch,
  writeZip,
} from '../fixtures/checkpoint-files.ts';
import { scratchFolder } from '../fixtures/scratch-folder.ts';
import { openCTranslate2 } from './ctranslate2.ts';
import { openSafetensors } from './safetensors.ts';
import { openTorch } from './torch.ts';
import { widen } from './widen.ts';
import { ZipFile } from './zip.ts';

const FORMATS = [
  { name: 'ctranslate2', write: writeCTranslate2, open: openCTranslate2 },
  { name: 'safetensors', write: writeSafetensors, open: openSafetensors },
  { name: 'torch', write: writeTorch, open: openTorch },
] as const;

const TENSORS: ReadonlyMap<string, FixtureTensor> = new Map([
  ['a/matrix', floatTensor([2, 3], [1, -2, 3.5, 0, 1e-3, 7])],
  // 1, -2, the smallest subnormal and infinity.
  ['b/half', { dims: [4], dtype: 'float16', bytes: bytesOf(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00)) }],
  ['c/brain', { dims: [2], dtype: 'bfloat16', bytes: bytesOf(Uint16Array.of(0x3f80, 0xc020)) }],
  ['d/scalar', { dims: [], dtype: 'int32', bytes: bytesOf(Int32Array.of(-7)) }],
  ['e/empty', floatTensor([0, 3], [])],
]);

test.each(FORMATS)('$name: shapes, types and values come back', ({ write, open }) => {
  using folder = scratchFolder();
  const path = join(folder.path, 'weights');
  write(path, TENSORS);
  const source: WeightSource = open(path);
  expect(source.names()).toEqual([...TENSORS.keys()]);
  expect(source.read('a/matrix')).toEqual({ dims: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, 1e-3, 7) });
  expect(source.read('b/half').data).toEqual(Float32Array.of(1, -2, 2 ** -24, Number.POSITIVE_INFINITY));
  expect(source.read('c/brain').data).toEqual(Float32Array.of(1, -2.5));
  expect(source.read('d/scalar')).toEqual({ dims: [], data: Float32Array.of(-7) });
  expect(source.read('e/empty')).toEqual({ dims: [0, 3], data: new Float32Array(0) });
  expect(source.dtype('b/half')).toBe('float16');
  expect(source.dims('a/matrix')).toEqual([2, 3]);
  expect(source.raw('c/brain')).toEqual(TENSORS.get('c/brain')?.bytes);
  expect(source.has('nothing')).toBe(false);
  expect(() => source.read('nothing')).toThrow(expect.objectContaining({ code: 'model_corrupt' }));
  source.close();
});

test.each(FORMATS)('$name: a file cut anywhere is damaged, never half a model', ({ write, open }) => {
  using folder = scratchFolder();
  const whole = join(folder.path, 'whole');
  write(whole, new Map([...TENSORS].filter(([name]) => name !== 'e/empty')));
  const bytes = readFileSync(whole);
  const path = join(folder.path, 'cut');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), (length) => {
      writeFileSync(path, bytes.subarray(0, length));
      expect(() => open(path).close()).toThrow(expect.objectContaining({ code: 'model_corrupt' }));
    }),
  );
});

test.each(FORMATS)('$name: flipped bits end in an error of the catalogue or in tensors, never in a crash', (format) => {
  using folder = scratchFolder();
  const whole = join(folder.path, 'whole');
  format.write(whole, TENSORS);
  const bytes = readFileSync(whole);
  const path = join(folder.path, 'flipped');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: bytes.length * 8 - 1 }), (bit) => {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      writeFileSync(path, changed);
      try {
        const source = format.open(path);
        for (const name of source.names()) expect(source.read(name).data).toBeInstanceOf(Float32Array);
        source.close();
      } catch (error) {
        expect(error).toHaveProperty('code', expect.stringMatching(/^model_(?:corrupt|unsupported)$/));
      }
    }),
    { numRuns: 300 },
  );
});

test('every bit pattern of float16 widens to the value that IEEE 754 gives it', () => {
  const patterns = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
  const widened = widen(new Uint8Array(patterns.buffer), 'float16');
  const view = new DataView(patterns.buffer) as DataView & { getFloat16?: (at: number, little: boolean) => number };
  const reference = (bits: number): number => {
    if (view.getFloat16) return view.getFloat16(bits * 2, true);
    const exponent = (bits >> 10) & 31;
    const fraction = (bits & 1023) / 1024;
    const size = exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15);
    const special = fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
    return (bits & 0x8000 ? -1 : 1) * (exponent === 31 ? special : size);
  };
  expect(widened.every((value, bits) => Object.is(value, reference(bits)))).toBe(true);
});

test('ctranslate2: int8 rows and int16 tensors are divided by their scales; aliases share them', () => {
  using folder = scratchFolder();
  const path = join(folder.path, 'model.bin');
  const variables = new Map<string, FixtureTensor>([
    ['w', { dims: [2, 2], dtype: 'int8', bytes: bytesOf(Int8Array.of(127, -64, 10, 20)) }],
    ['w_scale', floatTensor([2], [127, 10])],
    ['conv', { dims: [2, 1, 2], dtype: 'int8', bytes: bytesOf(Int8Array.of(1, 2, 3, 4)) }],
    ['conv_scale', floatTensor([2], [2, 4])],
    ['s', { dims: [1, 2], dtype: 'int16', bytes: bytesOf(Int16Array.of(1024, -512)) }],
    ['s_scale', floatTensor([], [512])],
    ['plain', { dims: [], dtype: 'int8', bytes: bytesOf(Int8Array.of(3)) }],
  ]);
  writeCTranslate2(path, variables, { aliases: { tied: 'w' } });
  const source = openCTranslate2(path);
  expect(source.specification).toBe('WhisperSpec');
  expect([...source.read('w').data]).toEqual([1, Math.fround(-64 / 127), 1, 2]);
  expect(source.read('tied').data).toEqual(source.read('w').data);
  expect([...source.read('conv').data]).toEqual([0.5, 1, 0.75, 1]);
  expect([...source.read('s').data]).toEqual([2, -1]);
  expect([...source.read('plain').data]).toEqual([3]);
  expect(source.raw('w')).toEqual(variables.get('w')?.bytes);
  source.close();
});

test('ctranslate2: another binary version is unsupported, and the error says which', () => {
  using folder = scratchFolder();
  const path = join(folder.path, 'model.bin');
  writeCTranslate2(path, TENSORS, { version: 4 });
  expect(() => openCTranslate2(path)).toThrow(expect.objectContaining({ code: 'model_unsupported' }));
  expect(() => openCTranslate2(path)).toThrow(/it says 4/);
});

test('torch: transposed and sliced views are put into row-major order', () => {
  using folder = scratchFolder();
  const path = join(folder.path, 'model.pt');
  const storage = floatTensor([3, 2], [1, 2, 3, 4, 5, 6]);
  writeTorch(
    path,
    new Map([
      ['transposed', { ...storage, dims: [2, 3], strides: [1, 2] }],
      ['column', { ...storage, dims: [3], strides: [2], offset: 1 }],
      ['expanded', { ...storage, dims: [2, 2], strides: [0, 1], offset: 4 }],
    ]),
  );
  const source = openTorch(path);
  expect([...source.read('transposed').data]).toEqual([1, 3, 5, 2, 4, 6]);
  expect([...source.read('column').data]).toEqual([2, 4, 6]);
  expect([...source.read('expanded').data]).toEqual([5, 6, 5, 6]);
  source.close();
});

test('torch: a view beyond its storage is damage', () => {
  using folder = scratchFolder();
  const path = join(folder.path, 'model.pt');
  writeTorch(path, new Map([['w', { ...floatTensor([4], [1, 2, 3, 4]), offset: 1 }]]));
  expect(() => openTorch(path)).toThrow(/"w" reaches beyond its data/);
});

test('torch: a state dict one level down, and a zip64 archive', () => {
  using folder = scratchFolder();
  const path = join(folder.path, 'model.ckpt');
  writeTorch(path, TENSORS, { under: 'state_dict', zip64: true });
  const source = openTorch(path);
  expect(source.names()).toEqual([...TENSORS.keys()]);
  expect(source.read('a/matrix').data[2]).toBe(3.5);
  source.close();
});

test.each([
  ['os', 'system'],
  ['builtins', 'eval'],
  ['torch.hub', 'load'],
  ['collections', 'Counter'],
])('torch: a pickle that asks for %s.%s is refused by that name and runs nothing', (module, name) => {
  using folder = scratchFolder();
  const path = join(folder.path, 'model.pt');
  const trace = join(folder.path, 'it-ran');
  writeTorch(path, TENSORS, { prelude: pickleCall(module, name, `touch ${trace}`) });
  expect(() => openTorch(path)).toThrow(expect.objectContaining({ code: 'model_unsupported' }));
  expect(() => openTorch(path)).toThrow(new RegExp(`"${module}\\.${name}"`));
  expect(existsSync(trace)).toBe(false);
});

test('torch: files from before the zip format, and compressed archives, are refused with the way out', () => {
  using folder = scratchFolder();
  const old = join(folder.path, 'old.pt');
  writeFileSync(old, Buffer.from([0x80, 2, 0x8a, 10]));
  expect(() => openTorch(old)).toThrow(/before torch 1\.6/);
  const packed = join(folder.path, 'packed.pt');
  writeTorch(packed, TENSORS, { deflate: true });
  expect(() => openTorch(packed)).toThrow(expect.objectContaining({ code: 'model_unsupported' }));
});

test('safetensors: unsupported types, wrong lengths and an index that climbs out are refused', () => {
  using folder = scratchFolder();
  const path = join(folder.path, 'model.safetensors');
  const write = (entry: object) => {
    const header = Buffer.from(JSON.stringify({ w: entry }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(path, Buffer.concat([length, header, Buffer.alloc(16)]));
  };
  write({ dtype: 'F8_E4M3', shape: [4], data_offsets: [0, 4] });
  expect(() => openSafetensors(path)).toThrow(/F8_E4M3/);
  write({ dtype: 'F32', shape: [4], data_offsets: [0, 12] });
  expect(() => openSafetensors(path)).toThrow(expect.objectContaining({ code: 'model_corrupt' }));
  write({ dtype: 'F32', shape: [-1], data_offsets: [0, 4] });
  expect(() => openSafetensors(path)).toThrow(expect.objectContaining({ code: 'model_corrupt' }));
  const index = join(folder.path, 'model.safetensors.index.json');
  writeFileSync(index, JSON.stringify({ weight_map: { w: '../secret.safetensors' } }));
  expect(() => openSafetensors(index)).toThrow(expect.objectContaining({ code: 'model_corrupt' }));
});

test('zip: any files come back, stored or deflated, read or streamed, zip64 or not', async () => {
  const files = fc.dictionary(fc.stringMatching(/^[a-z/]{1,12}$/), fc.uint8Array({ maxLength: 3000 }), { minKeys: 1 });
  await fc.assert(
    fc.asyncProperty(files, fc.boolean(), fc.boolean(), async (contents, deflate, zip64) => {
      using folder = scratchFolder();
      const path = join(folder.path, 'a.zip');
      const target = join(folder.path, 'out');
      writeZip(path, new Map(Object.entries(contents)), { deflate, zip64 });
      const zip = new ZipFile(path);
      for (const [name, bytes] of Object.entries(contents)) {
        const entry = zip.entries.get(name)!;
        expect(zip.read(entry)).toEqual(bytes);
        await zip.extract(entry, target);
        expect(new Uint8Array(readFileSync(target))).toEqual(bytes);
      }
      zip.close();
    }),
    { numRuns: 30 },
  );
});
