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
import { HEAD_WIDTH, PADDED_CONTEXT, type WhisperShape } from './shape.ts';

/** Rows of the decoder's suppression table: which tokens cannot be chosen at a position. */
export const SuppressionRow = { nothing: 0, regular: 1, begin: 2 } as const;

export interface DecoderGraphOptions {
  readonly precision: Precision;
  /** [layer, head] pairs whose cross-attention follows the audio. */
  readonly alignmentHeads: readonly (readonly [layer: number, head: number])[];
  /** Tokens never chosen, and those not chosen first. */
  readonly suppressed: readonly number[];
  readonly suppressedAtBegin: readonly number[];
  /** Tokens whose probabilities the `probe` output holds (no-speech, then the languages). */
  readonly probed: readonly number[];
}

/** Large enough to rule a token out, small enough that sums with it stay finite. */
const RULED_OUT = -1e9;

/**
 * Writes the decoder: one call advances every hypothesis by some tokens. A window has `M` hypotheses side by side that
 * share its cross-attention tensors and one cache of keys and values; masks say which cached positions belong to which
 * hypothesis, so that a beam search never moves a cache. `n` = M * (tokens a hypothesis advances by).
 *
 * Inputs: `ids` and `positions` [B, n] int64; `past_mask` [B, 1, n, capacity] and `new_mask` [B, 1, n, n], 0 where a
 * token may look and a large negative number where not; `pick` [K] int64, the places along n to predict from;
 * `suppression` [B, K] int64, rows of the suppression table; `top` [1] int64, candidates wanted; `probe` and `align`
 * bool scalars; `past_key_N` [B, heads, 64, capacity], `past_value_N` [B, heads, capacity, 64]; the tensors of
 * `crossTensors` of B windows.
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
  const suppression = graph.input('suppression', ElementType.int64, ['B', 'K']);
  const top = graph.input('top', ElementType.int64, [1]);
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

  let x = graph.op('Reshape', [
    graph.op('Add', [embed(graph, weights, ids), gatherPositions(graph, weights, positions)]),
    rows,
  ]);
  const attention: HeadScores[] = [];
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
    const { scores, context } =
      options.precision === 'int8' ? quantizedCross(writer, question, layer) : floatCross(writer, question, layer);
    const selected = options.alignmentHeads.filter(([of]) => of === layer).map(([, head]) => head);
    if (selected.length > 0) attention.push({ scores, heads: selected });
    x = graph.op('Add', [x, writer.apply(flatten(context), writer.linear(`${name}/attention/linear_2`))]);

    const inner = writer.linear(`${name}/ffn/linear_0`);
    const activated = writer.geluWithBias(writer.project(writer.layerNorm(x, `${name}/ffn/layer_norm`), inner), inner);
    x = graph.op('Add', [x, writer.apply(activated, writer.linear(`${name}/ffn/linear_1`))]);
  }

  const picked = graph.op('Gather', [graph.op('Reshape', [x, sequenceShape]), pick], { axis: 1 });
  const hidden = writer.layerNorm(picked, 'decoder/layer_norm');
  const logits = writer.project(hidden, writer.linear('decoder/projection'));
  writeChoice(graph, shape, options, { logits, suppression, top, probe });
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

/** The query [B, heads, n, 64] against int8 tiles: products stay integers, so a row never depends on its mates. */
function quantizedCross(writer: LayerWriter, query: Value, layer: number): { scores: Value; context: Value } {
  const { graph } = writer;
  const { values, rows } = writer.quantizeRows(query);
  const tiled = graph.op('MatMulInteger', [graph.op('Unsqueeze', [values, graph.int64([2])]), `cross_key_${layer}`]);
  const products = graph.op('Reshape', [
    graph.op('Transpose', [tiled], { perm: [0, 1, 3, 2, 4] }),
    graph.int64([0, 0, -1, PADDED_CONTEXT]),
  ]);
  const centred = graph.op('Sub', [
    graph.op('Cast', [products], { to: ElementType.float32 }),
    `cross_key_offset_${layer}`,
  ]);
  const scores = graph.op('Mul', [
    graph.op('Mul', [centred, `cross_key_scale_${layer}`]),
    graph.op('Mul', [rows, graph.float(1 / 127)]),
  ]);
  const largest = graph.op('ReduceMax', [scores], { axes: [-1], keepdims: 1 });
  const exponentials = graph.op('Exp', [graph.op('Sub', [scores, largest])]);
  const zero = graph.initializer(ElementType.uint8, [], Uint8Array.of(0));
  const bytes = graph.op('QuantizeLinear', [exponentials, graph.float(1 / 255), zero]);
  const sum = graph.op('Mul', [
    graph.op('ReduceSum', [exponentials, graph.int64([-1])], { keepdims: 1 }),
    graph.float(255),
  ]);
  const mixed = graph.op('Cast', [graph.op('MatMulInteger', [bytes, `cross_value_${layer}`])], {
    to: ElementType.float32,
  });
  const context = graph.op('Mul', [graph.op('Div', [mixed, sum]), `cross_value_scale_${layer}`]);
  return { scores, context };
}

function floatCross(writer: LayerWriter, query: Value, layer: number): { scores: Value; context: Value } {
  const { graph } = writer;
  const scores = graph.op('MatMul', [query, `cross_key_${layer}`]);
  const context = graph.op('MatMul', [graph.op('Softmax', [scores], { axis: -1 }), `cross_value_${layer}`]);
  return { scores, context };
}

/** Chooses the best tokens among those that are allowed, and answers the probe. */
function writeChoice(
  graph: GraphBuilder,
  shape: WhisperShape,
  options: DecoderGraphOptions,
  { logits, suppression, top, probe }: { logits: Value; suppression: Value; top: Value; probe: Value },
): void {
  const { vocabulary } = shape;
  const table = new Float32Array(3 * vocabulary);
  for (const token of options.suppressed) {
    table[SuppressionRow.regular * vocabulary + token] = RULED_OUT;
    table[SuppressionRow.begin * vocabulary + token] = RULED_OUT;
  }
  for (const token of options.suppressedAtBegin) table[SuppressionRow.begin * vocabulary + token] = RULED_OUT;
  const mask = graph.op('Gather', [graph.float32([3, vocabulary], table), suppression], { axis: 0 });
  const allowed = graph.op('LogSoftmax', [graph.op('Add', [logits, mask])], { axis: -1 });
  const [best, tokens] = graph.opMany('TopK', [allowed, top], { axis: -1, largest: 1, sorted: 1 }, 2);
  graph.output('log_probabilities', ElementType.float32, ['B', 'K', 'top'], best);
  graph.output('tokens', ElementType.int64, ['B', 'K', 'top'], tokens);

  const yes = graph.subgraph(() => {
    const all = graph.op('Softmax', [logits], { axis: -1 });
    const wanted = graph.op('Gather', [all, graph.int64(options.probed)], { axis: -1 });
    return { inputs: [], outputs: [[wanted, ElementType.float32, ['B', 'K', 'P']]] };
  });
  const probed = graph.op('If', [probe], { then_branch: yes, else_branch: emptyBranch(graph, 3) });
  graph.output('probed', ElementType.float32, ['B', 'K', 'P'], probed);
}

/** Cross-attention of the alignment heads, heads in the order they are listed by layer. */
function writeAttentionOutput(
  graph: GraphBuilder,
  options: DecoderGraphOptions,
  attention: readonly HeadScores[],
  align: Value,
): void {
  const dims = ['B', options.alignmentHeads.length, 'n', 'T'];
  const yes = graph.subgraph(() => {
    const weights = attention.map(({ scores, heads }) =>
      graph.op('Softmax', [graph.op('Gather', [scores, graph.int64(heads)], { axis: 1 })], { axis: -1 }),
    );
    return { inputs: [], outputs: [[graph.op('Concat', weights, { axis: 1 }), ElementType.float32, dims]] };
  });
  const result = graph.op('If', [align], { then_branch: yes, else_branch: emptyBranch(graph, 4) });
  graph.output('attention', ElementType.float32, ['b', 'h', 'n', 't'], result);
}

function emptyBranch(graph: GraphBuilder, rank: number): GraphAttribute {
  const dims = graph.int64(new Array(rank).fill(0));
  return graph.subgraph(() => ({
    inputs: [],
    outputs: [[graph.op('ConstantOfShape', [dims]), ElementType.float32, new Array(rank).fill('none')]],
  }));
}

/** Scores [B, heads, n, positions] of one layer and the heads of it that follow the audio. */
interface HeadScores {
  readonly scores: Value;
  readonly heads: readonly number[];
}
