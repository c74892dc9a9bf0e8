import type { WeightSource } from '../../../core/tensors.ts';
import {
  ElementType,
  type GraphAttribute,
  type GraphBuilder,
  type Value,
  writeGraph,
} from '../../../inference/onnx/graph-builder.ts';
import { crossTensors } from './cross-attention.ts';
import { LayerWriter, type Precision } from './layers.ts';
import { AUDIO_CONTEXT, HEAD_WIDTH, type WhisperShape } from './shape.ts';
import { emptyBranch, type TokenChoiceOptions, writeTokenChoice } from './token-choice.ts';

export interface DecoderGraphOptions extends TokenChoiceOptions {
  readonly precision: Precision;
  /** [layer, head] pairs whose cross-attention follows the audio. */
  readonly alignmentHeads: readonly (readonly [layer: number, head: number])[];
}

/**
 * Writes the decoder: one call advances every hypothesis by some tokens. A window has `M` hypotheses side by side that
 * share its cross-attention tensors and one cache of keys and values; masks say which cached positions belong to which
 * hypothesis, so that a beam search never moves a cache. `n` = M * (tokens a hypothesis advances by).
 *
 * Inputs: `ids` and `positions` [B, n] int64; `past_mask` [B, 1, n, capacity] and `new_mask` [B, 1, n, n], 0 where a
 * token may look and a large negative number where not; `pick` [K] int64, the places along n to predict from;
 * `top` [1] int64, candidates wanted; `begin` (a text begins here), `probe` and `align` bool scalars; `past_key_N`
 * [B, heads, 64, capacity], `past_value_N` [B, heads, capacity, 64]; the tensors of `crossTensors` of B windows.
 * Outputs: `log_probabilities` and `tokens` [B, K, top]; `probed` [B, K, tokens] probabilities without suppression
 * (empty unless `probe`); `attention` [B, alignment heads, n, positions] soft-maxed (empty unless `align`);
 * `new_key_N`, `new_value_N` [B, heads, n, 64], which the caller writes into its cache.
 */
export function writeDecoderGraph(
  path: string,
  weights: WeightSource,
  shape: WhisperShape,
  options: DecoderGraphOptions,
): void {
  writeGraph(path, (graph) => writeDecoder(graph, weights, shape, options));
}

function writeDecoder(
  graph: GraphBuilder,
  weights: WeightSource,
  shape: WhisperShape,
  options: DecoderGraphOptions,
): void {
  const writer = new LayerWriter(graph, weights, options.precision);
  const { width, heads } = shape;
  const ids = graph.input('ids', ElementType.int64, ['B', 'n']);
  const positions = graph.input('positions', ElementType.int64, ['B', 'n']);
  const pastMask = graph.input('past_mask', ElementType.float32, ['B', 1, 'n', 'capacity']);
  const newMask = graph.input('new_mask', ElementType.float32, ['B', 1, 'n', 'n']);
  const pick = graph.input('pick', ElementType.int64, ['K']);
  const top = graph.input('top', ElementType.int64, [1]);
  const begin = graph.input('begin', ElementType.bool, []);
  const probe = graph.input('probe', ElementType.bool, []);
  const align = graph.input('align', ElementType.bool, []);
  for (const tensor of crossTensors(shape, options.precision)) {
    graph.input(tensor.name, ElementType[tensor.type], ['B', ...tensor.dims]);
  }

  // Linear layers work on rows [B * n, width]; attention on [B, heads, n, 64].
  const sequenceShape = graph.op('Concat', [graph.op('Shape', [ids]), graph.int64([-1])], { axis: 0 });
  const headShape = graph.op('Concat', [graph.op('Shape', [ids]), graph.int64([heads, HEAD_WIDTH])], { axis: 0 });
  const rows = graph.int64([-1, width]);
  const byHead = (flat: Value) =>
    graph.op('Transpose', [graph.op('Reshape', [flat, headShape])], { perm: [0, 2, 1, 3] });
  const flatten = (split: Value) => graph.op('Reshape', [graph.op('Transpose', [split], { perm: [0, 2, 1, 3] }), rows]);

  const single = graph.op('Equal', [graph.op('Gather', [graph.op('Shape', [ids]), graph.int64(1)]), graph.int64(1)]);

  let x = graph.op('Reshape', [
    graph.op('Add', [embed(graph, weights, ids), gatherPositions(graph, weights, positions)]),
    rows,
  ]);
  const attention: HeadWeights[] = [];
  for (let layer = 0; layer < shape.decoderLayers; layer++) {
    const name = `decoder/layer_${layer}`;
    const normalised = writer.layerNorm(x, `${name}/self_attention/layer_norm`);
    const packed = writer.apply(normalised, writer.linear(`${name}/self_attention/linear_0`));
    const parts = graph.opMany('Split', [packed, graph.int64([width, width, width])], { axis: -1 }, 3);
    const [query, key, value] = parts.map(byHead) as [Value, Value, Value];
    graph.output(`new_key_${layer}`, ElementType.float32, ['B', heads, 'n', HEAD_WIDTH], key);
    graph.output(`new_value_${layer}`, ElementType.float32, ['B', heads, 'n', HEAD_WIDTH], value);
    const self = selfAttention(graph, heads, layer, { query, key, value, pastMask, newMask });
    const output = writer.linear(`${name}/self_attention/linear_1`);
    x = graph.op('Add', [x, writer.apply(flatten(self), output)]);

    const question = byHead(
      writer.apply(
        writer.layerNorm(x, `${name}/attention/layer_norm`),
        writer.linear(`${name}/attention/linear_0`, { factor: HEAD_WIDTH ** -0.5 }),
      ),
    );
    const { weights, context } =
      options.precision === 'int8'
        ? quantizedCross(writer, question, layer, single)
        : floatCross(writer, question, layer);
    const selected = options.alignmentHeads.filter(([of]) => of === layer).map(([, head]) => head);
    if (selected.length > 0) attention.push({ weights, heads: selected });
    x = graph.op('Add', [x, writer.apply(flatten(context), writer.linear(`${name}/attention/linear_2`))]);

    const inner = writer.linear(`${name}/ffn/linear_0`);
    const activated = writer.geluWithBias(writer.project(writer.layerNorm(x, `${name}/ffn/layer_norm`), inner), inner);
    x = graph.op('Add', [x, writer.apply(activated, writer.linear(`${name}/ffn/linear_1`))]);
  }

  const picked = graph.op('Gather', [graph.op('Reshape', [x, sequenceShape]), pick], { axis: 1 });
  const hidden = writer.layerNorm(picked, 'decoder/layer_norm');
  writeTokenChoice(writer, weights, options, hidden, { top, begin, probe });
  writeAttentionOutput(graph, options, attention, align);
}

/** Token embeddings; kept in half precision where the checkpoint has them so: they are only looked up. */
function embed(graph: GraphBuilder, weights: WeightSource, ids: Value): Value {
  const name = 'decoder/embeddings/weight';
  const dims = weights.dims(name);
  if (weights.dtype(name) === 'float16') {
    const bytes = weights.raw(name);
    const table = graph.initializer(ElementType.float16, dims, bytes);
    return graph.op('Cast', [graph.op('Gather', [table, ids])], { to: ElementType.float32 });
  }
  return graph.op('Gather', [graph.float32(dims, weights.read(name).data), ids]);
}

function gatherPositions(graph: GraphBuilder, weights: WeightSource, positions: Value): Value {
  const table = weights.read('decoder/position_encodings/encodings');
  return graph.op('Gather', [graph.float32(table.dims, table.data), positions]);
}

/** Attention over the cached and the new positions, each under its mask: [B, heads, n, 64]. */
function selfAttention(
  graph: GraphBuilder,
  heads: number,
  layer: number,
  inputs: { query: Value; key: Value; value: Value; pastMask: Value; newMask: Value },
): Value {
  const pastKey = graph.input(`past_key_${layer}`, ElementType.float32, ['B', heads, HEAD_WIDTH, 'capacity']);
  const pastValue = graph.input(`past_value_${layer}`, ElementType.float32, ['B', heads, 'capacity', HEAD_WIDTH]);
  const query = graph.op('Mul', [inputs.query, graph.float(HEAD_WIDTH ** -0.5)]);
  const newKey = graph.op('Transpose', [inputs.key], { perm: [0, 1, 3, 2] });
  const past = graph.op('Add', [graph.op('MatMul', [query, pastKey]), inputs.pastMask]);
  const fresh = graph.op('Add', [graph.op('MatMul', [query, newKey]), inputs.newMask]);
  const weights = graph.op('Softmax', [graph.op('Concat', [past, fresh], { axis: -1 })], { axis: -1 });
  const sizes = graph.op('Concat', [lastDimension(graph, past), lastDimension(graph, fresh)], { axis: 0 });
  const [onPast, onFresh] = graph.opMany('Split', [weights, sizes], { axis: -1 }, 2) as [Value, Value];
  return graph.op('Add', [graph.op('MatMul', [onPast, pastValue]), graph.op('MatMul', [onFresh, inputs.value])]);
}

function lastDimension(graph: GraphBuilder, x: Value): Value {
  return graph.op('Slice', [graph.op('Shape', [x]), graph.int64([3]), graph.int64([4])]);
}

/**
 * The query [B, heads, n, 64] against int8 keys and values: every row has its own scale, so that it never depends on
 * its mates.
 *
 * `single` is true for n = 1. ONNX Runtime multiplies one row by a matrix without repacking that first, but only in the
 * operator that knows no zero points and no scales; more rows want those inside the product, which saves passes over
 * the result. Both come to the same bits: the integers are the same, and so is the order of the scales.
 */
function quantizedCross(writer: LayerWriter, query: Value, layer: number, single: Value): CrossAttention {
  const { graph } = writer;
  const { values, rows } = writer.quantizeRows(query);
  const [key, keyScale] = [`cross_key_${layer}`, `cross_key_scale_${layer}`];
  const [value, valueScale] = [`cross_value_${layer}`, `cross_value_scale_${layer}`];
  const one = graph.float(1);
  const exact = (left: Value, right: Value) =>
    graph.op('Cast', [graph.op('MatMulInteger', [left, right])], { to: ElementType.float32 });
  const choose = (ofOne: () => Value, ofMany: () => Value) =>
    graph.op('If', [single], { then_branch: branch(graph, ofOne), else_branch: branch(graph, ofMany) });

  const products = choose(
    () => graph.op('Mul', [graph.op('Sub', [exact(values, key), `cross_key_offset_${layer}`]), keyScale]),
    () => graph.contrib('MatMulIntegerToFloat', [values, key, one, keyScale, writer.zero128]),
  );
  const scores = graph.op('Mul', [products, graph.op('Mul', [rows, graph.float(1 / 127)])]);
  const weights = graph.op('Softmax', [scores], { axis: -1 });
  const largest = graph.op('ReduceMax', [weights], { axes: [-1], keepdims: 1 });
  const scale = graph.op('Mul', [largest, graph.float(1 / 255)]);
  const flatWeights = graph.op('Reshape', [weights, graph.int64([-1, AUDIO_CONTEXT])]);
  const flatScale = graph.op('Reshape', [scale, graph.int64([-1])]);
  const bytes = graph.op('Reshape', [
    graph.op('QuantizeLinear', [flatWeights, flatScale], { axis: 0 }),
    graph.op('Shape', [weights]),
  ]);
  const mixed = choose(
    () => graph.op('Mul', [exact(bytes, value), valueScale]),
    () => graph.contrib('MatMulIntegerToFloat', [bytes, value, one, valueScale]),
  );
  return { weights, context: graph.op('Mul', [mixed, scale]) };
}

/** A branch that gives one float32 value of four dimensions. */
function branch(graph: GraphBuilder, build: () => Value): GraphAttribute {
  return graph.subgraph(() => ({
    inputs: [],
    outputs: [[build(), ElementType.float32, ['b', 'h', 'm', 'w']]],
  }));
}

function floatCross(writer: LayerWriter, query: Value, layer: number): CrossAttention {
  const { graph } = writer;
  const weights = graph.op('Softmax', [graph.op('MatMul', [query, `cross_key_${layer}`])], { axis: -1 });
  return { weights, context: graph.op('MatMul', [weights, `cross_value_${layer}`]) };
}

/** Cross-attention of the alignment heads, heads in the order they are listed by layer. */
function writeAttentionOutput(
  graph: GraphBuilder,
  options: DecoderGraphOptions,
  attention: readonly HeadWeights[],
  align: Value,
): void {
  const dims = ['B', options.alignmentHeads.length, 'n', 'T'];
  const yes = graph.subgraph(() => {
    const selected = attention.map(({ weights, heads }) =>
      graph.op('Gather', [weights, graph.int64(heads)], { axis: 1 }),
    );
    return { inputs: [], outputs: [[graph.op('Concat', selected, { axis: 1 }), ElementType.float32, dims]] };
  });
  const result = graph.op('If', [align], { then_branch: yes, else_branch: emptyBranch(graph, 4) });
  graph.output('attention', ElementType.float32, ['b', 'h', 'n', 't'], result);
}

/** What a layer's positions look at, [B, heads, n, 1500], and what they take from there, [B, heads, n, 64]. */
interface CrossAttention {
  readonly weights: Value;
  readonly context: Value;
}

/** What one layer looks at, and the heads of it that follow the audio. */
interface HeadWeights {
  readonly weights: Value;
  readonly heads: readonly number[];
}
