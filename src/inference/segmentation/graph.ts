import type { WeightSource } from '../../core/tensors.ts';
import { ElementType, floatAttribute, type GraphBuilder, type Value, writeGraph } from '../onnx/graph-builder.ts';
import { WINDOW_FRAMES, WINDOW_SAMPLES } from './geometry.ts';
import { type SegmentationPrecision, writeLstmStack } from './lstm.ts';
import { sincKernels } from './sinc.ts';

/** Changes whenever the graph written from the same weights changes; keys the graph cache. */
export const GRAPH_VERSION = 'segmentation-3';

/** Input and output names of the graph. */
export const SEGMENTATION_INPUT = 'windows';
export const SEGMENTATION_OUTPUT = 'classes';

const SINC_CHANNELS = 80;
const SINC_TAPS = 251;
const SINC_STRIDE = 10;
const CONV_CHANNELS = 60;
const CONV_TAPS = 5;
const POOL = 3;

/**
 * Writes segmentation-3.0 (PyanNet: SincNet, four bidirectional LSTMs, three linear layers) as ONNX at `path`.
 * Input `windows` float32 [batch, 160000], mono 16 kHz in [-1, 1]; output `classes` uint8 [batch, 589], the likeliest
 * powerset class of each frame. `int8` runs the LSTMs with weights in int8, a scale per gate row: somewhat faster, but a
 * window's classes then depend a little on the windows it shares a batch with. Architecture: pyannote.audio 3,
 * `models/segmentation/PyanNet.py` and `models/blocks/sincnet.py`.
 */
export function writeSegmentationGraph(
  weights: WeightSource,
  path: string,
  precision: SegmentationPrecision = 'float32',
): void {
  writeGraph(path, (graph) => {
    const windows = graph.input(SEGMENTATION_INPUT, ElementType.float32, ['batch', WINDOW_SAMPLES]);
    const features = writeSincNet(graph, weights, windows);
    const states = writeLstmStack(graph, weights, features, precision);
    const classes = writeClassifier(graph, weights, states);
    graph.output(SEGMENTATION_OUTPUT, ElementType.uint8, ['batch', WINDOW_FRAMES], classes);
  });
}

/**
 * [batch, 160000] -> [589, batch, 60]. The convolutions are written as two-dimensional ones of height 1: the runtime has
 * blocked kernels for those, which spare the unrolled copy of the input that one-dimensional ones go through.
 */
function writeSincNet(graph: GraphBuilder, weights: WeightSource, windows: Value): Value {
  const norm = (input: Value, name: string, channels: number): Value =>
    graph.op(
      'InstanceNormalization',
      [
        input,
        graph.float32([channels], weights.read(`sincnet.${name}.weight`).data),
        graph.float32([channels], weights.read(`sincnet.${name}.bias`).data),
      ],
      { epsilon: floatAttribute(1e-5) },
    );
  const pool = (input: Value): Value => graph.op('MaxPool', [input], { kernel_shape: [1, POOL], strides: [1, POOL] });
  const activate = (input: Value): Value => graph.op('LeakyRelu', [input], { alpha: floatAttribute(0.01) });

  const wave = norm(graph.op('Unsqueeze', [windows, graph.int64([1])]), 'wav_norm1d', 1);
  const kernels = sincKernels({
    low: weights.read('sincnet.conv1d.0.filterbank.low_hz_').data,
    band: weights.read('sincnet.conv1d.0.filterbank.band_hz_').data,
    times: weights.read('sincnet.conv1d.0.filterbank.n_').data,
    window: weights.read('sincnet.conv1d.0.filterbank.window_').data,
  });
  let value = graph.op('Unsqueeze', [wave, graph.int64([2])]);
  value = graph.op('Conv', [value, graph.float32([SINC_CHANNELS, 1, 1, SINC_TAPS], kernels)], {
    kernel_shape: [1, SINC_TAPS],
    strides: [1, SINC_STRIDE],
  });
  // The magnitude, written as an activation: the runtime fuses it into the convolution and pools before it reorders.
  const magnitude = graph.op('LeakyRelu', [value], { alpha: floatAttribute(-1) });
  value = activate(norm(pool(magnitude), 'norm1d.0', SINC_CHANNELS));
  let channels = SINC_CHANNELS;
  for (const layer of [1, 2]) {
    const kernel = weights.read(`sincnet.conv1d.${layer}.weight`).data;
    const bias = weights.read(`sincnet.conv1d.${layer}.bias`).data;
    value = graph.op(
      'Conv',
      [value, graph.float32([CONV_CHANNELS, channels, 1, CONV_TAPS], kernel), graph.float32([CONV_CHANNELS], bias)],
      { kernel_shape: [1, CONV_TAPS] },
    );
    value = activate(norm(pool(value), `norm1d.${layer}`, CONV_CHANNELS));
    channels = CONV_CHANNELS;
  }
  return graph.op('Transpose', [graph.op('Squeeze', [value, graph.int64([2])])], { perm: [2, 0, 1] });
}

/** [589, batch, 256] -> uint8 [batch, 589]. The likeliest class needs no softmax. */
function writeClassifier(graph: GraphBuilder, weights: WeightSource, states: Value): Value {
  const linear = (input: Value, name: string): Value => {
    const { dims, data } = weights.read(`${name}.weight`);
    const [outputs = 0, inputs = 0] = dims;
    const transposed = new Float32Array(data.length);
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) transposed[i * outputs + o] = data[o * inputs + i]!;
    }
    const product = graph.op('MatMul', [input, graph.float32([inputs, outputs], transposed)]);
    return graph.op('Add', [product, graph.float32([outputs], weights.read(`${name}.bias`).data)]);
  };
  const activate = (input: Value): Value => graph.op('LeakyRelu', [input], { alpha: floatAttribute(0.01) });
  const logits = linear(activate(linear(activate(linear(states, 'linear.0')), 'linear.1')), 'classifier');
  const classes = graph.op('ArgMax', [logits], { axis: -1, keepdims: 0 });
  return graph.op('Transpose', [graph.op('Cast', [classes], { to: ElementType.uint8 })], { perm: [1, 0] });
}
