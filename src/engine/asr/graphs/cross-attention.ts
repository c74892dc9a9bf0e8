import { ElementType, type Value } from '../../../inference/onnx/graph-builder.ts';
import type { LayerWriter, Precision } from './layers.ts';
import { AUDIO_CONTEXT, HEAD_WIDTH, type WhisperShape } from './shape.ts';

const SMALLEST = 1e-9;

/** What a decoder layer attends to, per window. int8 keys and values with their scales, or float32. */
export interface CrossTensor {
  readonly name: string;
  readonly type: 'int8' | 'float32';
  /** Dimensions of one window, without the batch. */
  readonly dims: readonly number[];
}

/** The tensors between encoder and decoder, in order. */
export function crossTensors(shape: WhisperShape, precision: Precision): CrossTensor[] {
  const { heads } = shape;
  const result: CrossTensor[] = [];
  for (let layer = 0; layer < shape.decoderLayers; layer++) {
    if (precision === 'int8') {
      result.push(
        { name: `cross_key_${layer}`, type: 'int8', dims: [heads, HEAD_WIDTH, AUDIO_CONTEXT] },
        { name: `cross_key_scale_${layer}`, type: 'float32', dims: [heads, 1, AUDIO_CONTEXT] },
        { name: `cross_key_offset_${layer}`, type: 'float32', dims: [heads, 1, AUDIO_CONTEXT] },
        { name: `cross_value_${layer}`, type: 'int8', dims: [heads, AUDIO_CONTEXT, HEAD_WIDTH] },
        { name: `cross_value_scale_${layer}`, type: 'float32', dims: [heads, 1, HEAD_WIDTH] },
      );
    } else {
      result.push(
        { name: `cross_key_${layer}`, type: 'float32', dims: [heads, HEAD_WIDTH, AUDIO_CONTEXT] },
        { name: `cross_value_${layer}`, type: 'float32', dims: [heads, AUDIO_CONTEXT, HEAD_WIDTH] },
      );
    }
  }
  return result;
}

/** Emits the cross-attention keys and values of hidden states [1500, width] as graph outputs. */
export function writeCrossKeysAndValues(writer: LayerWriter, shape: WhisperShape, hidden: Value): void {
  const { graph } = writer;
  const { width, heads } = shape;
  const quantized = writer.precision === 'int8' ? writer.quantizeBlock(hidden) : undefined;
  for (let layer = 0; layer < shape.decoderLayers; layer++) {
    const name = `decoder/layer_${layer}/attention/linear_1`;
    const project = (slot: number) => {
      const slice = writer.linear(name, { from: slot * width, to: (slot + 1) * width });
      return quantized === undefined ? writer.apply(hidden, slice) : writer.applyToBlock(quantized, slice);
    };
    const keys = project(0);
    const values = project(1);
    if (quantized === undefined) {
      const split = (x: Value) => graph.op('Reshape', [x, graph.int64([1, AUDIO_CONTEXT, heads, HEAD_WIDTH])]);
      const dims = crossTensors(shape, 'float32');
      graph.output(
        `cross_key_${layer}`,
        ElementType.float32,
        [1, ...dims[0]!.dims],
        graph.op('Transpose', [split(keys)], { perm: [0, 2, 3, 1] }),
      );
      graph.output(
        `cross_value_${layer}`,
        ElementType.float32,
        [1, ...dims[1]!.dims],
        graph.op('Transpose', [split(values)], { perm: [0, 2, 1, 3] }),
      );
    } else {
      writeQuantizedKeys(writer, heads, layer, keys);
      writeQuantizedValues(writer, heads, layer, values);
    }
  }
}

/**
 * Keys: i8 by (position, head), quantised before they are transposed. By position: the scale, and what the zero point of
 * the query adds to a product.
 */
function writeQuantizedKeys(writer: LayerWriter, heads: number, layer: number, keys: Value): void {
  const { graph } = writer;
  const rows = graph.op('Reshape', [keys, graph.int64([AUDIO_CONTEXT * heads, HEAD_WIDTH])]);
  const scale = graph.op('Mul', [
    graph.op('Max', [
      graph.op('ReduceMax', [graph.op('Abs', [rows])], { axes: [1], keepdims: 0 }),
      graph.float(SMALLEST),
    ]),
    graph.float(1 / 127),
  ]);
  const bytes = graph.op('QuantizeLinear', [rows, scale, writer.int8Zeros(AUDIO_CONTEXT * heads)], { axis: 0 });
  const byPositionThenChannel = graph.op('Reshape', [bytes, graph.int64([AUDIO_CONTEXT, heads * HEAD_WIDTH])]);
  const keyDims = [1, heads, HEAD_WIDTH, AUDIO_CONTEXT];
  graph.output(
    `cross_key_${layer}`,
    ElementType.int8,
    keyDims,
    graph.op('Reshape', [graph.op('Transpose', [byPositionThenChannel], { perm: [1, 0] }), graph.int64(keyDims)]),
  );
  const dims = [1, heads, 1, AUDIO_CONTEXT];
  const byPosition = (x: Value) => {
    const byHead = graph.op('Transpose', [graph.op('Reshape', [x, graph.int64([AUDIO_CONTEXT, heads])])], {
      perm: [1, 0],
    });
    return graph.op('Reshape', [byHead, graph.int64(dims)]);
  };
  graph.output(`cross_key_scale_${layer}`, ElementType.float32, dims, byPosition(scale));
  const sums = graph.op('ReduceSum', [graph.op('Cast', [bytes], { to: ElementType.float32 }), graph.int64([1])], {
    keepdims: 0,
  });
  graph.output(
    `cross_key_offset_${layer}`,
    ElementType.float32,
    dims,
    byPosition(graph.op('Mul', [sums, graph.float(128)])),
  );
}

/** Values: i8 by channel. */
function writeQuantizedValues(writer: LayerWriter, heads: number, layer: number, values: Value): void {
  const { graph } = writer;
  const scale = graph.op('Mul', [
    graph.op('Max', [
      graph.op('ReduceMax', [graph.op('Abs', [values])], { axes: [0], keepdims: 1 }),
      graph.float(SMALLEST),
    ]),
    graph.float(1 / 127),
  ]);
  const bytes = graph.op('QuantizeLinear', [graph.op('Div', [values, scale]), graph.float(1), writer.int8Zeros()]);
  const byHead = graph.op('Reshape', [bytes, graph.int64([1, AUDIO_CONTEXT, heads, HEAD_WIDTH])]);
  graph.output(
    `cross_value_${layer}`,
    ElementType.int8,
    [1, heads, AUDIO_CONTEXT, HEAD_WIDTH],
    graph.op('Transpose', [byHead], { perm: [0, 2, 1, 3] }),
  );
  graph.output(
    `cross_value_scale_${layer}`,
    ElementType.float32,
    [1, heads, 1, HEAD_WIDTH],
    graph.op('Reshape', [scale, graph.int64([1, heads, 1, HEAD_WIDTH])]),
  );
}
