import { DiaristError } from '../../core/errors.ts';
import type { WeightDtype, WeightSource, WeightTensor } from '../../core/tensors.ts';
import { DTYPE_BYTES, widen } from './widen.ts';

/** One tensor of a weight file: its shape, and how to fetch its bytes. */
export interface StoredTensor {
  readonly dims: readonly number[];
  readonly dtype: WeightDtype;
  /** The stored bytes, row-major, little endian. */
  raw(): Uint8Array<ArrayBuffer>;
  /** Float32 values, where they are more than the stored elements widened (int8 with scales). */
  values?(): Float32Array;
}

/** Number of elements of a shape; 1 for a scalar. */
export const elementCount = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

/** Bytes that a tensor of this shape and type takes. */
export const tensorBytes = (dims: readonly number[], dtype: WeightDtype): number =>
  elementCount(dims) * DTYPE_BYTES[dtype];

/** A {@link WeightSource} over a table of tensors; what every reader of a weight format returns. */
export class TensorTable implements WeightSource {
  readonly #label: string;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #close: () => void;

  /** `label` names the file in errors; `close` releases it. */
  constructor(label: string, tensors: ReadonlyMap<string, StoredTensor>, close: () => void) {
    this.#label = label;
    this.#tensors = tensors;
    this.#close = close;
  }

  names(): readonly string[] {
    return [...this.#tensors.keys()];
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  dims(name: string): readonly number[] {
    return this.#tensor(name).dims;
  }

  dtype(name: string): WeightDtype {
    return this.#tensor(name).dtype;
  }

  read(name: string): WeightTensor {
    const tensor = this.#tensor(name);
    return { dims: tensor.dims, data: tensor.values?.() ?? widen(tensor.raw(), tensor.dtype) };
  }

  raw(name: string): Uint8Array {
    return this.#tensor(name).raw();
  }

  close(): void {
    this.#close();
  }

  #tensor(name: string): StoredTensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) {
      throw new DiaristError(
        'model_corrupt',
        `${this.#label} lacks the weights "${name}"; it is incomplete or not the kind of model it was taken for.`,
      );
    }
    return tensor;
  }
}
