import { melFilterBank } from '../../../audio/log-mel.ts';
import type { WeightSource } from '../../../core/tensors.ts';
import { ElementType, type GraphBuilder, type Value, writeGraph } from '../../../inference/onnx/graph-builder.ts';
import { writeCrossKeysAndValues } from './cross-attention.ts';
import { LayerWriter, type Precision, type QuantizedBlock } from './layers.ts';
import { AUDIO_CONTEXT, CHUNK_FRAMES, CHUNK_SAMPLES, HEAD_WIDTH, type WhisperShape } from './shape.ts';

const FFT_SAMPLES = 400;
const MEL_HOP_SAMPLES = 160;
const FFT_BINS = FFT_SAMPLES / 2 + 1;
/** exact GELU is never below this, so a row's largest value also bounds its magnitude. */
const GELU_FLOOR = 0.17;

/** Samples the encoder graph reads: half a Fourier window of padding on both sides of 30 s. */
export const ENCODER_INPUT_SAMPLES = CHUNK_SAMPLES + FFT_SAMPLES;

export interface EncoderGraphOptions {
  readonly precision: Precision;
  /**
   * Arithmetic of self-attention inside an int8 encoder. Measured per layer of base on one thread: int8 28 ms against
   * 49 ms float32 on AMD Zen 4; no faster than float32 on Intel Cascade Lake, where it only costs precision.
   */
  readonly attention: Precision;
  /**
   * Positions handled together: an activation of this many rows has to stay in a core's second-level cache, or every
   * element-wise pass goes to memory. Divides 1500.
   */
  readonly rowBlock: number;
}

/**
 * Writes the encoder of one window: samples to the cross-attention keys and values of every decoder layer.
 * Inputs: `samples` [1, 1, 480400] float32 (200 reflected samples first), `frames` [1] (mel frames that hold audio).
 * Outputs: those of {@link writeCrossKeysAndValues}.
 */
export function writeEncoderGraph(
  path: string,
  weights: WeightSource,
  shape: WhisperShape,
  options: EncoderGraphOptions,
): void {
  writeGraph(path, (graph) => {
    const writer = new LayerWriter(graph, weights, options.precision);
    const features = writeLogMel(graph, shape.mels);
    const embedded = writeStem(writer, weights, shape, features);
    const hidden =
      options.precision === 'int8'
        ? writeQuantizedLayers(writer, shape, embedded, options)
        : writeFloatLayers(writer, shape, embedded);
    writeCrossKeysAndValues(writer, shape, hidden);
  });
}

/** Log-mel spectrogram in the graph: windowed DFT as a convolution, power, mel filters, log, Whisper's clamp. */
function writeLogMel(graph: GraphBuilder, mels: number): Value {
  const samples = graph.input('samples', ElementType.float32, [1, 1, ENCODER_INPUT_SAMPLES]);
  const frames = graph.input('frames', ElementType.float32, [1]);
  const basis = new Float32Array(2 * FFT_BINS * FFT_SAMPLES);
  for (let bin = 0; bin < FFT_BINS; bin++) {
    for (let i = 0; i < FFT_SAMPLES; i++) {
      const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FFT_SAMPLES);
      const angle = (2 * Math.PI * ((bin * i) % FFT_SAMPLES)) / FFT_SAMPLES;
      basis[bin * FFT_SAMPLES + i] = hann * Math.cos(angle);
      basis[(FFT_BINS + bin) * FFT_SAMPLES + i] = -hann * Math.sin(angle);
    }
  }
  const spectrum = graph.op('Conv', [samples, graph.float32([2 * FFT_BINS, 1, FFT_SAMPLES], basis)], {
    kernel_shape: [FFT_SAMPLES],
    strides: [MEL_HOP_SAMPLES],
  });
  const squares = graph.op('Mul', [spectrum, spectrum]);
  const [real, imaginary] = graph.opMany('Split', [squares, graph.int64([FFT_BINS, FFT_BINS])], { axis: 1 }, 2);
  const power = graph.op('Add', [real!, imaginary!]);
  const energies = graph.op('MatMul', [graph.float32([mels, FFT_BINS], melFilterBank(mels)), power]);
  const log = graph.op('Mul', [
    graph.op('Log', [graph.op('Max', [energies, graph.float(1e-10)])]),
    graph.float(1 / Math.LN10),
  ]);
  const window = graph.op('Slice', [log, graph.int64([0]), graph.int64([CHUNK_FRAMES]), graph.int64([2])]);
  const ceiling = graph.op('ReduceMax', [window], { keepdims: 1 });
  const clamped = graph.op('Max', [window, graph.op('Sub', [ceiling, graph.float(8)])]);
  const scaled = graph.op('Mul', [graph.op('Add', [clamped, graph.float(4)]), graph.float(1 / 4)]);
  const index = graph.float32(
    [1, 1, CHUNK_FRAMES],
    Float32Array.from({ length: CHUNK_FRAMES }, (_, i) => i),
  );
  // The reference pads features with 0.0, not with the value of silence.
  return graph.op('Where', [graph.op('Less', [index, frames]), scaled, graph.float(0)]);
}

/** The two convolutions and the positions: [1, mels, 3000] to [1500, width]. */
function writeStem(writer: LayerWriter, weights: WeightSource, shape: WhisperShape, features: Value): Value {
  const { graph } = writer;
  const { width } = shape;
  const filter = weights.read('encoder/conv1/weight');
  const first = graph.contrib('Gelu', [
    graph.op(
      'Conv',
      [
        features,
        graph.float32(filter.dims, filter.data),
        graph.float32([width], weights.read('encoder/conv1/bias').data),
      ],
      { kernel_shape: [3], pads: [1, 1] },
    ),
  ]);
  // The second convolution (stride 2, kernel 3) is one linear layer over [x(2t), x(2t+1), x(2t-1)].
  const kernel = weights.read('encoder/conv2/weight').data;
  const flat = new Float32Array(width * 3 * width);
  for (let output = 0; output < width; output++) {
    for (let input = 0; input < width; input++) {
      const from = (output * width + input) * 3;
      const to = output * 3 * width + input;
      flat[to] = kernel[from + 1]!;
      flat[to + width] = kernel[from + 2]!;
      flat[to + 2 * width] = kernel[from]!;
    }
  }
  const layer = writer.linearFrom(flat, weights.read('encoder/conv2/bias').data, width, 3 * width);
  const pairs = graph.op('Reshape', [
    graph.op('Transpose', [first], { perm: [0, 2, 1] }),
    graph.int64([-1, 2 * width]),
  ]);
  const odd = graph.op('Slice', [
    pairs,
    graph.int64([0, width]),
    graph.int64([AUDIO_CONTEXT - 1, 2 * width]),
    graph.int64([0, 1]),
  ]);
  const before = graph.op('Concat', [graph.float32([1, width], new Float32Array(width)), odd], { axis: 0 });
  const stacked = graph.op('Concat', [pairs, before], { axis: 1 });
  const second = writer.geluWithBias(writer.project(stacked, layer), layer);
  const positions = weights.read('encoder/position_encodings/encodings');
  return graph.op('Add', [second, graph.float32([AUDIO_CONTEXT, width], positions.data)]);
}

/** Float32 transformer layers: [1500, width] to the normalised hidden states [1500, width]. */
function writeFloatLayers(writer: LayerWriter, shape: WhisperShape, embedded: Value): Value {
  const { graph } = writer;
  const { width } = shape;
  let x = embedded;
  for (let index = 0; index < shape.encoderLayers; index++) {
    const name = `encoder/layer_${index}`;
    const normalised = writer.layerNorm(x, `${name}/self_attention/layer_norm`);
    const part = (slot: number) =>
      graph.op('Unsqueeze', [
        writer.apply(
          normalised,
          writer.linear(`${name}/self_attention/linear_0`, { from: slot * width, to: (slot + 1) * width }),
        ),
        graph.int64([0]),
      ]);
    const context = graph.contrib('MultiHeadAttention', [part(0), part(1), part(2)], { num_heads: shape.heads });
    const flat = graph.op('Squeeze', [context, graph.int64([0])]);
    x = graph.op('Add', [x, writer.apply(flat, writer.linear(`${name}/self_attention/linear_1`))]);
    const inner = writer.linear(`${name}/ffn/linear_0`);
    const activated = writer.geluWithBias(writer.project(writer.layerNorm(x, `${name}/ffn/layer_norm`), inner), inner);
    x = graph.op('Add', [x, writer.apply(activated, writer.linear(`${name}/ffn/linear_1`))]);
  }
  return writer.layerNorm(x, 'encoder/layer_norm');
}

/** Int8 transformer layers, block of rows by block of rows, so that element-wise passes stay in cache. */
function writeQuantizedLayers(
  writer: LayerWriter,
  shape: WhisperShape,
  embedded: Value,
  { attention, rowBlock }: EncoderGraphOptions,
): Value {
  const { graph } = writer;
  const writeAttention = attention === 'int8' ? writeQuantizedAttention : writeFloatAttention;
  const count = AUDIO_CONTEXT / rowBlock;
  let blocks = graph.opMany('Split', [embedded, graph.int64(new Array(count).fill(rowBlock))], { axis: 0 }, count);
  for (let index = 0; index < shape.encoderLayers; index++) {
    const name = `encoder/layer_${index}`;
    const contexts = writeAttention(writer, shape, `${name}/self_attention`, blocks, rowBlock);
    const output = writer.linear(`${name}/self_attention/linear_1`);
    const inner = writer.linear(`${name}/ffn/linear_0`);
    const outer = writer.linear(`${name}/ffn/linear_1`);
    blocks = blocks.map((block, b) => {
      const attended = graph.op('Add', [block, writer.applyToBlock(writer.quantizeBlock(contexts[b]!), output)]);
      const normalised = writer.layerNorm(attended, `${name}/ffn/layer_norm`);
      const activated = graph.contrib('Gelu', [writer.applyToBlock(writer.quantizeBlock(normalised), inner)]);
      const projected = writer.applyToRows(writer.quantizeFixedRows(activated, rowBlock, GELU_FLOOR), outer);
      return graph.op('Add', [attended, writer.addBias(projected, outer)]);
    });
  }
  return graph.op(
    'Concat',
    blocks.map((block) => writer.layerNorm(block, 'encoder/layer_norm')),
    { axis: 0 },
  );
}

/** Queries (0), keys (1) or values (2) of all positions, [1500, width], from the quantised blocks of a layer's input. */
function projectAll(
  writer: LayerWriter,
  shape: WhisperShape,
  name: string,
  inputs: readonly QuantizedBlock[],
  slot: number,
): Value {
  const slice = writer.linear(`${name}/linear_0`, { from: slot * shape.width, to: (slot + 1) * shape.width });
  return writer.graph.op(
    'Concat',
    inputs.map((input) => writer.applyToBlock(input, slice)),
    { axis: 0 },
  );
}

/** Float32 self-attention of all blocks between int8 layers: [rowBlock, width] each, before the output layer. */
function writeFloatAttention(
  writer: LayerWriter,
  shape: WhisperShape,
  name: string,
  blocks: readonly Value[],
  rowBlock: number,
): Value[] {
  const { graph } = writer;
  const inputs = blocks.map((block) => writer.quantizeBlock(writer.layerNorm(block, `${name}/layer_norm`)));
  const all = (slot: number) =>
    graph.op('Unsqueeze', [projectAll(writer, shape, name, inputs, slot), graph.int64([0])]);
  const context = graph.contrib('MultiHeadAttention', [all(0), all(1), all(2)], { num_heads: shape.heads });
  const sizes = graph.int64(new Array(blocks.length).fill(rowBlock));
  return graph.opMany('Split', [graph.op('Squeeze', [context, graph.int64([0])]), sizes], { axis: 0 }, blocks.length);
}

/**
 * Int8 self-attention of all blocks: [rowBlock, width] each, before the output layer.
 * Keys are quantised by position, values by channel, queries by block, probabilities by row.
 */
function writeQuantizedAttention(
  writer: LayerWriter,
  shape: WhisperShape,
  name: string,
  blocks: readonly Value[],
  rowBlock: number,
): Value[] {
  const { graph } = writer;
  const { width, heads } = shape;
  const inputs = blocks.map((block) => writer.quantizeBlock(writer.layerNorm(block, `${name}/layer_norm`)));
  // The scale of the scores is folded into the queries.
  const queryLayer = writer.linear(`${name}/linear_0`, { from: 0, to: width, factor: HEAD_WIDTH ** -0.5 });
  const headSplit = graph.int64(new Array(heads).fill(HEAD_WIDTH));

  // Keys: i8 by position, transposed to [width, 1500]: its rows fall apart into heads without another copy.
  const keys = projectAll(writer, shape, name, inputs, 1);
  const keyScale = graph.op('Mul', [
    graph.op('Max', [graph.op('ReduceMax', [graph.op('Abs', [keys])], { axes: [1], keepdims: 0 }), graph.float(1e-9)]),
    graph.float(1 / 127),
  ]);
  const zeros = writer.int8Zeros(AUDIO_CONTEXT);
  const keyBytes = graph.op('QuantizeLinear', [keys, keyScale, zeros], { axis: 0 });
  const keyHeads = graph.opMany(
    'Split',
    [graph.op('Transpose', [keyBytes], { perm: [1, 0] }), headSplit],
    { axis: 0 },
    heads,
  );

  // Values: i8 by channel.
  const values = projectAll(writer, shape, name, inputs, 2);
  const valueScale = graph.op('Mul', [
    graph.op('Max', [
      graph.op('ReduceMax', [graph.op('Abs', [values])], { axes: [0], keepdims: 1 }),
      graph.float(1e-9),
    ]),
    graph.float(1 / 127),
  ]);
  const valueBytes = graph.op('QuantizeLinear', [
    graph.op('Div', [values, valueScale]),
    graph.float(1),
    writer.int8Zeros(),
  ]);
  const valueHeads = graph.opMany('Split', [valueBytes, headSplit], { axis: 1 }, heads);
  const valueScales = graph.opMany(
    'Split',
    [graph.op('Reshape', [valueScale, graph.int64([width])]), headSplit],
    { axis: 0 },
    heads,
  );

  return blocks.map((_, b) => {
    const queries = writer.quantizeBlock(writer.applyToBlock(inputs[b]!, queryLayer));
    const queryHeads = graph.opMany('Split', [queries.values, headSplit], { axis: 1 }, heads);
    const outputs = queryHeads.map((query, h) => {
      const scores = graph.contrib('MatMulIntegerToFloat', [
        query,
        keyHeads[h]!,
        queries.scale,
        keyScale,
        queries.zeroPoint,
      ]);
      const weights = graph.op('Softmax', [scores], { axis: -1 });
      const scale = graph.op('Mul', [
        graph.op('ReduceMax', [weights], { axes: [1], keepdims: 0 }),
        graph.float(1 / 255),
      ]);
      const bytes = graph.op('QuantizeLinear', [weights, scale, writer.zeroPoints(rowBlock, 0)], { axis: 0 });
      const product = graph.contrib('MatMulIntegerToFloat', [bytes, valueHeads[h]!, graph.float(1), valueScales[h]!]);
      return graph.op('Mul', [product, graph.op('Reshape', [scale, graph.int64([rowBlock, 1])])]);
    });
    return graph.op('Concat', outputs, { axis: 1 });
  });
}
