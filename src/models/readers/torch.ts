import { DiaristError } from '../../core/errors.ts';
import type { WeightDtype, WeightSource } from '../../core/tensors.ts';
import { type PersistentObject, PickleGlobal, type PickleValue, unpickle } from './pickle.ts';
import { corruptFile, RangeFile } from './range-file.ts';
import { elementCount, type StoredTensor, TensorTable } from './tensor-table.ts';
import { DTYPE_BYTES } from './widen.ts';
import { startsLikeZip, type ZipEntry, ZipFile } from './zip.ts';

const STORAGE_DTYPES: ReadonlyMap<string, WeightDtype> = new Map([
  ['torch.FloatStorage', 'float32'],
  ['torch.HalfStorage', 'float16'],
  ['torch.BFloat16Storage', 'bfloat16'],
  ['torch.DoubleStorage', 'float64'],
  ['torch.LongStorage', 'int64'],
  ['torch.IntStorage', 'int32'],
  ['torch.ShortStorage', 'int16'],
  ['torch.CharStorage', 'int8'],
  ['torch.ByteStorage', 'uint8'],
  ['torch.BoolStorage', 'bool'],
]);
const REBUILD_TENSOR = 'torch._utils._rebuild_tensor_v2';
const REBUILD_PARAMETER = 'torch._utils._rebuild_parameter';
const ORDERED_DICT = 'collections.OrderedDict';
const SIZE = 'torch.Size';

/** Names that a checkpoint may hold: what tensors are built from, and a few that are kept as inert data. */
const ALLOWED: ReadonlySet<string> = new Set([
  ...STORAGE_DTYPES.keys(),
  REBUILD_TENSOR,
  REBUILD_PARAMETER,
  ORDERED_DICT,
  SIZE,
  // The published segmentation-3.0 checkpoint describes its task with these; they stay unread.
  'torch.torch_version.TorchVersion',
  'pyannote.audio.core.task.Specifications',
  'pyannote.audio.core.task.Problem',
  'pyannote.audio.core.task.Resolution',
]);
const MAX_PICKLE_BYTES = 64 * 1024 * 1024;
const MAX_NESTING = 4;
/** Every pickle since protocol 2 starts with it. */
const PICKLE_PROTOCOL_OPCODE = 0x80;

/** Elements of one `data/KEY` entry of the archive. */
interface Storage extends PersistentObject {
  readonly dtype: WeightDtype;
  readonly entry: ZipEntry;
}

class PickledTensor implements PersistentObject {
  readonly kind = 'external';
  readonly storage: Storage;
  readonly offset: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: Storage, offset: number, dims: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.dims = dims;
    this.strides = strides;
  }
}

/**
 * Opens a checkpoint of `torch.save` (zip format, torch 1.6 and later) and returns its state dict: the top-level
 * dictionary, or what stands in it under `state_dict`. The pickle inside is read by {@link unpickle}, which runs
 * nothing. Throws `model_corrupt`, or `model_unsupported` naming what was refused.
 */
export function openTorch(path: string): WeightSource {
  const zip = new ZipFile(checkedZip(path));
  try {
    return new TensorTable(path, stateDict(zip), () => zip.close());
  } catch (error) {
    zip.close();
    throw error;
  }
}

function checkedZip(path: string): string {
  const probe = new RangeFile(path);
  try {
    if (startsLikeZip(probe)) return path;
    if (probe.size >= 2 && probe.read(0, 1)[0] === PICKLE_PROTOCOL_OPCODE) {
      throw new DiaristError(
        'model_unsupported',
        `${path} is a torch file from before torch 1.6; save it again with a current torch, or use its safetensors.`,
      );
    }
    throw corruptFile(path, 'it is not a torch checkpoint');
  } finally {
    probe.close();
  }
}

function stateDict(zip: ZipFile): Map<string, StoredTensor> {
  const { path } = zip.file;
  const pickleName = [...zip.entries.keys()].find((name) => name.endsWith('/data.pkl'));
  const pickle = pickleName === undefined ? undefined : zip.entries.get(pickleName);
  if (pickleName === undefined || pickle === undefined) throw corruptFile(path, 'it is not a torch checkpoint');
  if (pickle.bytes > MAX_PICKLE_BYTES) throw corruptFile(path, 'its pickle is too large for a checkpoint');
  const root = pickleName.slice(0, -'data.pkl'.length);
  const byteOrder = zip.entries.get(`${root}byteorder`);
  if (byteOrder !== undefined && new TextDecoder().decode(zip.read(byteOrder)) !== 'little') {
    throw new DiaristError('model_unsupported', `${path} was saved big-endian; use its safetensors.`);
  }
  const loaded = unpickle(zip.read(pickle), {
    allowed: ALLOWED,
    label: path,
    build: (name, args) => build(path, name, args),
    persistentLoad: (id) => storageOf(zip, root, id),
  });
  const tensors = new Map<string, StoredTensor>();
  collectTensors(zip, topDictionary(loaded), '', 0, tensors);
  if (tensors.size === 0) throw corruptFile(path, 'it holds no tensors');
  return tensors;
}

/** Lightning and other trainers keep the weights one level down. */
function topDictionary(loaded: PickleValue): PickleValue {
  if (!(loaded instanceof Map)) return loaded;
  for (const key of ['state_dict', 'model_state_dict']) {
    const inner = loaded.get(key);
    if (inner instanceof Map) return inner;
  }
  return loaded;
}

function collectTensors(
  zip: ZipFile,
  value: PickleValue,
  prefix: string,
  depth: number,
  tensors: Map<string, StoredTensor>,
): void {
  if (!(value instanceof Map) || depth > MAX_NESTING) return;
  for (const [key, item] of value) {
    if (typeof key !== 'string') continue;
    if (item instanceof PickledTensor) tensors.set(prefix + key, storedTensor(zip, prefix + key, item));
    else collectTensors(zip, item, `${prefix}${key}.`, depth + 1, tensors);
  }
}

const isCount = (value: PickleValue | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const areCounts = (value: PickleValue | undefined): value is number[] => Array.isArray(value) && value.every(isCount);
const isStorage = (value: PickleValue | undefined): value is Storage =>
  typeof value === 'object' && value !== null && 'entry' in value;

function build(path: string, name: string, args: readonly PickleValue[]): PickleValue | undefined {
  switch (name) {
    case ORDERED_DICT:
      return new Map();
    case SIZE:
      return Array.isArray(args[0]) ? args[0] : [];
    case REBUILD_PARAMETER:
      return args[0];
    case REBUILD_TENSOR: {
      const [storage, offset, dims, strides] = args;
      if (!isStorage(storage) || !isCount(offset) || !areCounts(dims) || !areCounts(strides)) {
        throw corruptFile(path, 'a tensor in it is described wrongly');
      }
      if (dims.length !== strides.length) throw corruptFile(path, 'a tensor in it is described wrongly');
      return new PickledTensor(storage, offset, dims, strides);
    }
    default:
      return undefined;
  }
}

/** A persistent id of torch is `('storage', class, key, device, element count)`. */
function storageOf(zip: ZipFile, root: string, id: PickleValue): Storage {
  const { path } = zip.file;
  if (!Array.isArray(id) || id[0] !== 'storage') throw corruptFile(path, 'it refers to an unknown kind of object');
  const [, storageClass, key] = id;
  const dtype = storageClass instanceof PickleGlobal ? STORAGE_DTYPES.get(storageClass.name) : undefined;
  if (dtype === undefined) throw corruptFile(path, 'a tensor in it has an unknown element type');
  const entry = zip.entries.get(`${root}data/${String(key)}`);
  if (entry === undefined) throw corruptFile(path, `the data of tensor storage ${String(key)} is missing`);
  if (entry.method !== 0) {
    throw new DiaristError('model_unsupported', `${path} has been compressed after torch saved it; use the original.`);
  }
  return { kind: 'external', dtype, entry };
}

function storedTensor(zip: ZipFile, name: string, tensor: PickledTensor): StoredTensor {
  const { storage, dims, strides } = tensor;
  const elementBytes = DTYPE_BYTES[storage.dtype];
  const count = elementCount(dims);
  const last = tensor.offset + dims.reduce((sum, dim, axis) => sum + (dim - 1) * strides[axis]!, 0);
  if (count > 0 && (last + 1) * elementBytes > storage.entry.bytes) {
    throw corruptFile(zip.file.path, `"${name}" reaches beyond its data`);
  }
  const raw = (): Uint8Array<ArrayBuffer> => {
    if (count === 0) return new Uint8Array(0);
    const start = zip.dataOffset(storage.entry) + tensor.offset * elementBytes;
    if (isContiguous(dims, strides)) return zip.file.read(start, count * elementBytes);
    const span = zip.file.read(start, (last - tensor.offset + 1) * elementBytes);
    return gatherStrided(span, dims, strides, elementBytes);
  };
  return { dims, dtype: storage.dtype, raw };
}

function isContiguous(dims: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    if (dims[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= dims[axis]!;
  }
  return true;
}

/** Copies a transposed or sliced tensor into row-major order; `span` starts at its first element. */
function gatherStrided(
  span: Uint8Array<ArrayBuffer>,
  dims: readonly number[],
  strides: readonly number[],
  elementBytes: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(elementCount(dims) * elementBytes);
  const index = dims.map(() => 0);
  let source = 0;
  for (let target = 0; target < out.length; target += elementBytes) {
    const from = source * elementBytes;
    for (let byte = 0; byte < elementBytes; byte++) out[target + byte] = span[from + byte]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      source += strides[axis]!;
      index[axis]! += 1;
      if (index[axis]! < dims[axis]!) break;
      source -= index[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
