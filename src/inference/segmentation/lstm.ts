import type { WeightSource } from '../../core/tensors.ts';
import { ElementType, type GraphBuilder, type Value } from '../onnx/graph-builder.ts';

export type SegmentationPrecision = 'float32' | 'int8';

const HIDDEN = 128;
const GATES = 4 * HIDDEN;
const LAYERS = 4;
const DIRECTIONS = ['', '_reverse'] as const;
/** torch stacks the gates i, f, g, o; ONNX wants i, o, f, c (c is torch's g). */
const ONNX_GATE_ORDER = [0, 3, 1, 2] as const;

/** Four bidirectional LSTMs: [589, batch, inputs] -> [589, batch, 256]. */
export function writeLstmStack(
  graph: GraphBuilder,
  weights: WeightSource,
  input: Value,
  precision: SegmentationPrecision,
): Value {
  let value = input;
  for (let layer = 0; layer < LAYERS; layer++) {
    const perDirection = (name: string): Float32Array[] =>
      DIRECTIONS.map((direction) => reorderGates(weights.read(`lstm.${name}_l${layer}${direction}`).data));
    const inputWeights = perDirection('weight_ih');
    const recurrentWeights = perDirection('weight_hh');
    const inputBiases = perDirection('bias_ih');
    const recurrentBiases = perDirection('bias_hh');
    const biases = join(inputBiases.flatMap((bias, direction) => [bias, recurrentBiases[direction]!]));
    const bias = graph.float32([2, 2 * GATES], biases);
    const states =
      precision === 'int8'
        ? writeInt8Layer(graph, value, inputWeights, recurrentWeights, bias)
        : writeFloatLayer(graph, value, inputWeights, recurrentWeights, bias);
    // [frames, direction, batch, hidden] -> [frames, batch, direction * hidden]
    const merged = graph.op('Transpose', [states], { perm: [0, 2, 1, 3] });
    value = graph.op('Reshape', [merged, graph.int64([0, 0, 2 * HIDDEN])]);
  }
  return value;
}

function writeFloatLayer(
  graph: GraphBuilder,
  input: Value,
  inputWeights: readonly Float32Array[],
  recurrentWeights: readonly Float32Array[],
  bias: Value,
): Value {
  const inputs = inputWeights[0]!.length / GATES;
  return graph.op(
    'LSTM',
    [
      input,
      graph.float32([2, GATES, inputs], join(inputWeights)),
      graph.float32([2, GATES, HIDDEN], join(recurrentWeights)),
      bias,
    ],
    { hidden_size: HIDDEN, direction: 'bidirectional' },
  );
}

function writeInt8Layer(
  graph: GraphBuilder,
  input: Value,
  inputWeights: readonly Float32Array[],
  recurrentWeights: readonly Float32Array[],
  bias: Value,
): Value {
  const quantized = (matrices: readonly Float32Array[]): { weight: Value; scale: Value; zero: Value } => {
    const columns = matrices[0]!.length / GATES;
    const weight = new Int8Array(2 * columns * GATES);
    const scale = new Float32Array(2 * GATES);
    matrices.forEach((matrix, direction) => {
      quantizeTransposed(
        matrix,
        columns,
        weight.subarray(direction * columns * GATES, (direction + 1) * columns * GATES),
        scale.subarray(direction * GATES, (direction + 1) * GATES),
      );
    });
    return {
      weight: graph.initializer(ElementType.int8, [2, columns, GATES], weight),
      scale: graph.float32([2, GATES], scale),
      zero: graph.initializer(ElementType.int8, [2, GATES], new Int8Array(2 * GATES)),
    };
  };
  const w = quantized(inputWeights);
  const r = quantized(recurrentWeights);
  return graph.contrib(
    'DynamicQuantizeLSTM',
    [input, w.weight, r.weight, bias, '', '', '', '', w.scale, w.zero, r.scale, r.zero],
    { hidden_size: HIDDEN, direction: 'bidirectional' },
  );
}

/** [512, columns] float -> [columns, 512] int8 with one scale per gate row. */
function quantizeTransposed(matrix: Float32Array, columns: number, weight: Int8Array, scale: Float32Array): void {
  for (let row = 0; row < GATES; row++) {
    let largest = 1e-9;
    for (let c = 0; c < columns; c++) largest = Math.max(largest, Math.abs(matrix[row * columns + c]!));
    const step = largest / 127;
    scale[row] = step;
    for (let c = 0; c < columns; c++) weight[c * GATES + row] = Math.round(matrix[row * columns + c]! / step);
  }
}

function reorderGates(stacked: Float32Array): Float32Array {
  const block = stacked.length / 4;
  return join(ONNX_GATE_ORDER.map((gate) => stacked.subarray(gate * block, (gate + 1) * block)));
}

function join(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
