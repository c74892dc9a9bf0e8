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
