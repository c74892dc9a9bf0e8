import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DiaristError } from '../../core/errors.ts';
import type { WeightDtype, WeightSource } from '../../core/tensors.ts';
import { corruptFile, RangeFile } from './range-file.ts';
import { type StoredTensor, TensorTable, tensorBytes } from './tensor-table.ts';

const DTYPES: Readonly<Record<string, WeightDtype>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U8: 'uint8',
  BOOL: 'bool',
};
/** The format's own limit for its header. */
const MAX_HEADER_BYTES = 100_000_000;
const INDEX_SUFFIX = '.index.json';

/**
 * Opens a safetensors checkpoint: one `.safetensors` file, or the `.safetensors.index.json` of a sharded one. Only
 * headers are read. Throws `model_corrupt` or `model_unsupported`. Format: huggingface/safetensors, README "Format".
 */
export function openSafetensors(path: string): WeightSource {
  const files: RangeFile[] = [];
  const tensors = new Map<string, StoredTensor>();
  try {
    for (const shard of path.endsWith(INDEX_SUFFIX) ? safetensorsShards(path) : [path]) {
      const file = new RangeFile(shard);
      files.push(file);
      readHeader(file, tensors);
    }
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
  return new TensorTable(path, tensors, () => {
    for (const file of files) file.close();
  });
}

/** Absolute paths of the files that a `.safetensors.index.json` spreads its tensors over, sorted. */
export function safetensorsShards(indexPath: string): readonly string[] {
  let names: Set<string>;
  try {
    const index: unknown = JSON.parse(readFileSync(indexPath, 'utf8'));
    const map = (index as { weight_map: Record<string, string> }).weight_map;
    names = new Set(Object.values(map));
  } catch (error) {
    throw corruptFile(indexPath, 'it is no index of safetensors files', error);
  }
  const folder = dirname(indexPath);
  return [...names].sort().map((name) => {
    // A shard beside its index is the only layout there is; a path that climbs out is an attack.
    if (name.includes('/') || name.includes('\\'))
      throw corruptFile(indexPath, `it points outside its folder: ${name}`);
    const shard = join(folder, name);
    if (!existsSync(shard)) {
      throw new DiaristError('model_missing', `${indexPath} needs ${name} beside it; fetch the whole model.`);
    }
    return shard;
  });
}

interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function isHeaderEntry(value: unknown): value is HeaderEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { dtype, shape, data_offsets: offsets } = value as Partial<HeaderEntry>;
  return (
    typeof dtype === 'string' &&
    Array.isArray(shape) &&
    shape.every(isCount) &&
    Array.isArray(offsets) &&
    offsets.length === 2 &&
    offsets.every(isCount)
  );
}

function readHeader(file: RangeFile, tensors: Map<string, StoredTensor>): void {
  const length = new DataView(file.read(0, 8).buffer).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES) || Number(length) + 8 > file.size) {
    throw corruptFile(file.path, 'it has no safetensors header, or was cut short');
  }
  const dataStart = 8 + Number(length);
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file.read(8, Number(length))));
  } catch (error) {
    throw corruptFile(file.path, 'its header is not JSON', error);
  }
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    if (!isHeaderEntry(entry)) throw corruptFile(file.path, `"${name}" is described wrongly`);
    const dtype = DTYPES[entry.dtype];
    if (dtype === undefined) {
      throw new DiaristError(
        'model_unsupported',
        `${file.path} stores "${name}" as ${entry.dtype}, which cannot be read; use a float32, float16 or bfloat16 version of the model.`,
      );
    }
    const [start, end] = entry.data_offsets;
    const bytes = end - start;
    if (bytes !== tensorBytes(entry.shape, dtype)) throw corruptFile(file.path, `"${name}" has the wrong length`);
    if (dataStart + end > file.size) throw corruptFile(file.path, `it was cut short inside "${name}"`);
    tensors.set(name, { dims: entry.shape, dtype, raw: () => file.read(dataStart + start, bytes) });
  }
}
