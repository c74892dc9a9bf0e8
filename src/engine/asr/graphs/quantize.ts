/** Symmetric int8 quantisation of a linear layer's weights, one scale per output channel. */
export interface QuantizedWeights {
  /** [inputs, outputs], row-major: the layout MatMulIntegerToFloat wants. */
  readonly values: Int8Array;
  /** [outputs] */
  readonly scales: Float32Array;
}

/**
 * Quantises weights stored as [outputs, inputs] to int8 and transposes them to [inputs, outputs].
 * The largest magnitude of each output channel becomes 127.
 */
export function quantizeWeights(weights: Float32Array, outputs: number, inputs: number): QuantizedWeights {
  const values = new Int8Array(inputs * outputs);
  const scales = new Float32Array(outputs);
  for (let o = 0; o < outputs; o++) {
    let largest = 0;
    for (let i = 0; i < inputs; i++) largest = Math.max(largest, Math.abs(weights[o * inputs + i]!));
    const scale = largest / 127 || 1e-12;
    scales[o] = scale;
    const inverse = 1 / scale;
    for (let i = 0; i < inputs; i++) values[i * outputs + o] = Math.round(weights[o * inputs + i]! * inverse);
  }
  return { values, scales };
}

/** [rows, columns] to [columns, rows]. */
export function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(matrix.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) result[c * rows + r] = matrix[r * columns + c]!;
  return result;
}

/** IEEE half-precision bits, rounded to nearest even; what is too large becomes infinity. */
export function toFloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) halves[i] = toHalf(words[i]!);
  return halves;
}

function toHalf(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const biased = (word >>> 23) & 0xff;
  const mantissa = word & 0x7fffff;
  const exponent = biased - 112;
  if (exponent >= 31) return sign | 0x7c00 | (biased === 255 && mantissa !== 0 ? 0x200 : 0);
  if (exponent < -10) return sign;
  // Below the smallest exponent the leading one moves into the mantissa.
  const shift = exponent > 0 ? 13 : 14 - exponent;
  const full = exponent > 0 ? (exponent << 23) | mantissa : mantissa | 0x800000;
  const half = full >>> shift;
  const rest = full & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return sign | (half + (rest > middle || (rest === middle && (half & 1) === 1) ? 1 : 0));
}
