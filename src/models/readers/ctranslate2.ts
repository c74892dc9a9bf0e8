import { DiaristError } from '../../core/errors.ts';
import type { WeightDtype, WeightSource } from '../../core/tensors.ts';
import { corruptFile, RangeFile } from './range-file.ts';
import { type StoredTensor, TensorTable, tensorBytes } from './tensor-table.ts';
import { widen } from './widen.ts';

/** Binary version of `model.bin` since CTranslate2 1.20 (2021); what every published Whisper conversion has. */
const BINARY_VERSION = 6;
/** In the order of CTranslate2's DataType (include/ctranslate2/types.h). */
const DTYPES: readonly WeightDtype[] = ['float32', 'int8', 'int16', 'int32', 'float16', 'bfloat16'];
const MAX_RANK = 8;
const HEADER_CHUNK_BYTES = 4096;

/** Reads numbers and strings one after another, a page at a time. */
class HeaderCursor {
  readonly #file: RangeFile;
  #page: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #pageStart = 0;
  position = 0;

  constructor(file: RangeFile) {
    this.#file = file;
  }

  #take(length: number): DataView {
    let start = this.position - this.#pageStart;
    if (start < 0 || start + length > this.#page.length) {
      const wanted = Math.max(length, Math.min(HEADER_CHUNK_BYTES, this.#file.size - this.position));
      this.#page = this.#file.read(this.position, wanted);
      this.#pageStart = this.position;
      start = 0;
    }
    this.position += length;
    return new DataView(this.#page.buffer, start, length);
  }

  u8(): number {
    return this.#take(1).getUint8(0);
  }

  u16(): number {
    return this.#take(2).getUint16(0, true);
  }

  u32(): number {
    return this.#take(4).getUint32(0, true);
  }

  /** A length (with the closing NUL) and that many bytes. */
  text(): string {
    const length = this.u16();
    if (length === 0) throw corruptFile(this.#file.path, `there is no name at byte ${this.position}`);
    const view = this.#take(length);
    return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset, length - 1));
  }
}

export interface CTranslate2Weights extends WeightSource {
  /** What CTranslate2 calls the model's specification, e.g. `WhisperSpec`. */
  readonly specification: string;
}

class CTranslate2Table extends TensorTable implements CTranslate2Weights {
  readonly specification: string;

  constructor(specification: string, file: RangeFile, tensors: ReadonlyMap<string, StoredTensor>) {
    super(file.path, tensors, () => file.close());
    this.specification = specification;
  }
}

/**
 * Opens a CTranslate2 `model.bin` (binary version 6). Only the table of contents is read. A tensor stored as int8 or
 * int16 reads as float32 values: stored value / `NAME_scale`, a scale per row for int8 and one scale for int16
 * (python/ctranslate2/specs/model_spec.py). Throws `model_corrupt` or `model_unsupported`.
 */
export function openCTranslate2(path: string): CTranslate2Weights {
  const file = new RangeFile(path);
  try {
    return readTable(file);
  } catch (error) {
    file.close();
    throw error;
  }
}

function readTable(file: RangeFile): CTranslate2Weights {
  const cursor = new HeaderCursor(file);
  const version = cursor.u32();
  if (version !== BINARY_VERSION) {
    throw new DiaristError(
      'model_unsupported',
      `${file.path} is not a CTranslate2 model of binary version ${BINARY_VERSION} (it says ${version}); convert the model again with a current ctranslate2, or use its safetensors.`,
    );
  }
  const specification = cursor.text();
  cursor.u32(); // revision of the specification
  const tensors = new Map<string, StoredTensor>();
  const variableCount = cursor.u32();
  for (let index = 0; index < variableCount; index++) {
    const name = cursor.text();
    const tensor = readVariable(file, cursor, name, tensors);
    tensors.set(name, tensor);
  }
  const aliasCount = cursor.u32();
  for (let index = 0; index < aliasCount; index++) {
    const alias = cursor.text();
    const target = cursor.text();
    const tensor = tensors.get(target);
    if (tensor === undefined) throw corruptFile(file.path, `"${alias}" stands for "${target}", which is not there`);
    tensors.set(alias, tensor);
  }
  return new CTranslate2Table(specification, file, tensors);
}

function readVariable(
  file: RangeFile,
  cursor: HeaderCursor,
  name: string,
  tensors: ReadonlyMap<string, StoredTensor>,
): StoredTensor {
  const rank = cursor.u8();
  if (rank > MAX_RANK) throw corruptFile(file.path, `"${name}" claims ${rank} dimensions`);
  const dims = Array.from({ length: rank }, () => cursor.u32());
  const typeId = cursor.u8();
  const dtype = DTYPES[typeId];
  if (dtype === undefined) throw corruptFile(file.path, `"${name}" has the unknown element type ${typeId}`);
  const bytes = cursor.u32();
  if (bytes !== tensorBytes(dims, dtype)) {
    throw corruptFile(file.path, `"${name}" has ${bytes} bytes where its shape needs ${tensorBytes(dims, dtype)}`);
  }
  const offset = cursor.position;
  if (offset + bytes > file.size) throw corruptFile(file.path, `it was cut short inside "${name}"`);
  cursor.position += bytes;
  const raw = () => file.read(offset, bytes);
  if (dtype !== 'int8' && dtype !== 'int16') return { dims, dtype, raw };
  // The scale may stand before or after its tensor, so it is looked up when the values are asked for.
  const values = () => dequantize(widen(raw(), dtype), tensors.get(`${name}_scale`), `${file.path}: ${name}`);
  return { dims, dtype, raw, values };
}

/** Divides rows by their scales, in place; `values` is `[rows, …]`. Without a scale the integers stand for themselves. */
function dequantize(values: Float32Array, scaleTensor: StoredTensor | undefined, label: string): Float32Array {
  if (scaleTensor === undefined) return values;
  const scales = widen(scaleTensor.raw(), scaleTensor.dtype);
  if (scales.length === 0 || values.length % scales.length !== 0) {
    throw corruptFile(label, `${scales.length} scales do not divide ${values.length} values`);
  }
  const rowLength = values.length / scales.length;
  for (let row = 0, index = 0; row < scales.length; row++) {
    const scale = scales[row]!;
    for (const end = index + rowLength; index < end; index++) values[index]! /= scale;
  }
  return values;
}
