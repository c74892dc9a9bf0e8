/** A named tensor read from a weight file, in row-major order, widened to float32. */
export interface WeightTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** Element types as weight files store them. */
export type WeightDtype =
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float64'
  | 'uint8'
  | 'bool';

/**
 * Named tensors of a checkpoint, whatever file format they came from. Reading is lazy: a tensor's bytes are touched
 * when it is asked for, so that converting a 3 GB checkpoint never holds it whole.
 */
export interface WeightSource {
  names(): readonly string[];
  has(name: string): boolean;
  dims(name: string): readonly number[];
  dtype(name: string): WeightDtype;
  /** Widened to float32. Throws `model_corrupt` naming the tensor when it is missing. */
  read(name: string): WeightTensor;
  /** The stored bytes, little endian, without conversion. */
  raw(name: string): Uint8Array;
  close(): void;
}
