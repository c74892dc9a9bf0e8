import { FBANK_BINS } from '../../audio/fbank.ts';
import type { WeightSource } from '../../core/tensors.ts';
import {
  type Attributes,
  ElementType,
  type GraphBuilder,
  type Value,
  writeGraph,
} from '../../inference/onnx/graph-builder.ts';

/** Changes whenever the graph written from the same weights changes; keys the graph cache. */
export const EMBEDDING_GRAPH_VERSION = 'campplus-2';
/** Numbers in one speaker embedding. */
export const EMBEDDING_SIZE = 192;
export const EMBEDDING_INPUT = 'features';
export const EMBEDDING_OUTPUT = 'embeddings';

const BATCH_NORM_EPSILON = 1e-5;
const HEAD_CHANNELS = 32;
/** Rows that remain of the 80 mel bins after three strides of two. */
const HEAD_ROWS = FBANK_BINS / 8;
/** Longest item, in fbank frames: the gates average their local context over 2 s, and the graph leaves that split out. */
export const MAX_EMBEDDING_FRAMES = 200;
const DENSE_BLOCKS = [
  { layers: 12, dilation: 1 },
  { layers: 24, dilation: 2 },
  { layers: 16, dilation: 2 },
] as const;

/**
 * Writes CAM++ (speech_campplus_sv_zh_en_16k-common_advanced) as ONNX at `path`. Input `features` float32
 * [batch, frames, 80], Kaldi fbank with the mean of the item removed, 2 to 200 frames; output `embeddings` float32
 * [batch, 192], not normalised. Batch norms that follow a convolution are folded into it. Architecture: 3D-Speaker,
 * `speakerlab/models/campplus/DTDNN.py` (Wang et al., 2023, arXiv:2303.00332).
 *
 * One-dimensional convolutions are written as two-dimensional ones of height 1, and plain batch norms are left to the
 * runtime: so it keeps everything between input and pooling in its blocked channel layout, without reordering.
 */
export function writeEmbeddingGraph(weights: WeightSource, path: string): void {
  writeGraph(path, (graph) => {
    const features = graph.input(EMBEDDING_INPUT, ElementType.float32, ['batch', 'frames', FBANK_BINS]);
    const writer = new CamPlusPlus(graph, weights);
    const embeddings = writer.pool(writer.denseBlocks(writer.head(features)));
    graph.output(EMBEDDING_OUTPUT, ElementType.float32, ['batch', EMBEDDING_SIZE], embeddings);
  });
}

/** y = scale x + shift, what a batch norm does once trained. */
interface Affine {
  readonly scale: Float32Array;
  readonly shift: Float32Array;
}

class CamPlusPlus {
  readonly #graph: GraphBuilder;
  readonly #weights: WeightSource;

  constructor(graph: GraphBuilder, weights: WeightSource) {
    this.#graph = graph;
    this.#weights = weights;
  }

  /** [batch, frames, 80] -> [batch, 128, 1, frames / 2]: the residual 2-D convolutions, then the first time-delay layer. */
  head(features: Value): Value {
    const graph = this.#graph;
    const square: Attributes = { pads: [1, 1, 1, 1] };
    const halve: Attributes = { pads: [1, 1, 1, 1], strides: [2, 1] };
    let x = graph.op('Unsqueeze', [graph.op('Transpose', [features], { perm: [0, 2, 1] }), graph.int64([1])]);
    x = this.#relu(this.#foldedConv(x, 'head.conv1', 'head.bn1', square));
    for (const layer of ['layer1', 'layer2']) {
      for (const index of [0, 1]) {
        const block = `head.${layer}.${index}`;
        const first = this.#foldedConv(x, `${block}.conv1`, `${block}.bn1`, index === 0 ? halve : square);
        const second = this.#foldedConv(this.#relu(first), `${block}.conv2`, `${block}.bn2`, square);
        const shortcut =
          index === 0 ? this.#foldedConv(x, `${block}.shortcut.0`, `${block}.shortcut.1`, { strides: [2, 1] }) : x;
        x = this.#relu(graph.op('Add', [second, shortcut]));
      }
    }
    x = this.#relu(this.#foldedConv(x, 'head.conv2', 'head.bn2', halve));
    // The reference flattens channels and rows before this layer; a kernel over all rows is the same sum.
    const { dims } = this.#weights.read('xvector.tdnn.linear.weight');
    const [outputs = 0, , taps = 0] = dims;
    const batchNorm = 'xvector.tdnn.nonlinear.batchnorm';
    const shape = [outputs, HEAD_CHANNELS, HEAD_ROWS, taps];
    const tdnn = this.#foldedConv(x, 'xvector.tdnn.linear', batchNorm, { pads: [0, 2, 0, 2], strides: [1, 2] }, shape);
    return this.#relu(tdnn);
  }

  /** [batch, 128, 1, t] -> [batch, 512, 1, t]: densely connected time-delay layers with context gates. */
  denseBlocks(input: Value): Value {
    let x = input;
    DENSE_BLOCKS.forEach(({ layers, dilation }, index) => {
      const block = `xvector.block${index + 1}`;
      for (let layer = 1; layer <= layers; layer++) {
        const added = this.#denseLayer(x, `${block}.tdnnd${layer}`, dilation);
        x = this.#graph.op('Concat', [x, added], { axis: 1 });
      }
      const transit = `xvector.transit${index + 1}`;
      x = this.#relu(this.#batchNorm(x, `${transit}.nonlinear.batchnorm`));
      x =
        index < DENSE_BLOCKS.length - 1
          ? this.#conv(x, `${transit}.linear`, {})
          : this.#relu(this.#foldedConv(x, `${transit}.linear`, 'xvector.out_nonlinear.batchnorm', {}));
    });
    return x;
  }

  /** [batch, 512, 1, t] -> [batch, 192]: mean and unbiased deviation over time, then the last linear layer. */
  pool(x: Value): Value {
    const graph = this.#graph;
    const mean = graph.op('ReduceMean', [x], { axes: [3], keepdims: 1 });
    const centred = graph.op('Sub', [x, mean]);
    const frames = graph.op('Cast', [graph.op('Gather', [graph.op('Shape', [x]), graph.int64(3)])], {
      to: ElementType.float32,
    });
    const squares = graph.op('ReduceSumSquare', [centred], { axes: [3], keepdims: 1 });
    const deviation = graph.op('Sqrt', [graph.op('Div', [squares, graph.op('Sub', [frames, graph.float(1)])])]);
    const statistics = graph.op('Flatten', [graph.op('Concat', [mean, deviation], { axis: 1 })], { axis: 1 });
    const { dims, data } = this.#weights.read('xvector.dense.linear.weight');
    const [outputs = 0, inputs = 0] = dims;
    // The published model ends in this batch norm: no activation follows it.
    const { scale, shift } = this.#affine('xvector.dense.nonlinear.batchnorm');
    const matrix = new Float32Array(inputs * outputs);
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) matrix[i * outputs + o] = data[o * inputs + i]! * scale[o]!;
    }
    const product = graph.op('MatMul', [statistics, graph.float32([inputs, outputs], matrix)]);
    return graph.op('Add', [product, graph.float32([outputs], shift)]);
  }

  /** [batch, channels, 1, t] -> the 32 channels that this layer adds. */
  #denseLayer(x: Value, layer: string, dilation: number): Value {
    const graph = this.#graph;
    const normed = this.#relu(this.#batchNorm(x, `${layer}.nonlinear1.batchnorm`));
    const bottleneck = this.#relu(this.#foldedConv(normed, `${layer}.linear1`, `${layer}.nonlinear2.batchnorm`, {}));
    const cam = `${layer}.cam_layer`;
    const local = this.#conv(bottleneck, `${cam}.linear_local`, {
      pads: [0, dilation, 0, dilation],
      dilations: [1, dilation],
    });
    return graph.op('Mul', [local, this.#gate(bottleneck, cam)]);
  }

  /**
   * The context gate, [batch, 32, 1, 1]: from the mean over all frames plus the mean over stretches of 100 frames. Items
   * are at most 2 s (100 frames here), so that both means are the same.
   */
  #gate(bottleneck: Value, cam: string): Value {
    const graph = this.#graph;
    const mean = graph.op('GlobalAveragePool', [bottleneck]);
    const hidden = this.#relu(this.#conv(mean, `${cam}.linear1`, {}, 2));
    return graph.op('Sigmoid', [this.#conv(hidden, `${cam}.linear2`, {})]);
  }

  #relu(x: Value): Value {
    return this.#graph.op('Relu', [x]);
  }

  /** A batch norm as a 1x1 depthwise convolution, with which an activation after it is fused. */
  #batchNorm(x: Value, name: string): Value {
    const { scale, shift } = this.#affine(name);
    const channels = scale.length;
    const inputs = [x, this.#graph.float32([channels, 1, 1, 1], scale), this.#graph.float32([channels], shift)];
    return this.#graph.op('Conv', inputs, { kernel_shape: [1, 1], group: channels });
  }

  /** `weightScale` multiplies the weights, not the bias. */
  #conv(x: Value, name: string, attributes: Attributes, weightScale = 1): Value {
    const { dims, data } = this.#weights.read(`${name}.weight`);
    const inputs = [
      x,
      this.#graph.float32(
        kernelShape(dims),
        data.map((value) => value * weightScale),
      ),
    ];
    const bias = this.#bias(name);
    if (bias !== undefined) inputs.push(this.#graph.float32([bias.length], bias));
    return this.#graph.op('Conv', inputs, { kernel_shape: kernelShape(dims).slice(2), ...attributes });
  }

  /** A convolution and the batch norm after it, as one convolution. `shape` overrides that of the kernel. */
  #foldedConv(x: Value, name: string, batchNorm: string, attributes: Attributes, shape?: readonly number[]): Value {
    const { dims, data } = this.#weights.read(`${name}.weight`);
    const { scale, shift } = this.#affine(batchNorm);
    const outputs = scale.length;
    const each = data.length / outputs;
    const kernel = data.map((value, i) => value * scale[Math.floor(i / each)]!);
    const bias = this.#bias(name);
    const offset = shift.map((value, o) => value + (bias?.[o] ?? 0) * scale[o]!);
    const kernelDims = shape ?? kernelShape(dims);
    return this.#graph.op(
      'Conv',
      [x, this.#graph.float32(kernelDims, kernel), this.#graph.float32([outputs], offset)],
      { kernel_shape: kernelDims.slice(2), ...attributes },
    );
  }

  #bias(name: string): Float32Array | undefined {
    return this.#weights.has(`${name}.bias`) ? this.#weights.read(`${name}.bias`).data : undefined;
  }

  #affine(name: string): Affine {
    const mean = this.#weights.read(`${name}.running_mean`).data;
    const variance = this.#weights.read(`${name}.running_var`).data;
    const gain = this.#weights.has(`${name}.weight`) ? this.#weights.read(`${name}.weight`).data : undefined;
    const bias = this.#weights.has(`${name}.bias`) ? this.#weights.read(`${name}.bias`).data : undefined;
    const scale = variance.map((value, i) => (gain?.[i] ?? 1) / Math.sqrt(value + BATCH_NORM_EPSILON));
    return { scale, shift: mean.map((value, i) => (bias?.[i] ?? 0) - value * scale[i]!) };
  }
}

/** One-dimensional kernels get a height of 1. */
function kernelShape(dims: readonly number[]): readonly number[] {
  return dims.length === 3 ? [dims[0]!, dims[1]!, 1, dims[2]!] : dims;
}
