import type { WeightSource } from '../../../core/tensors.ts';
import {
  ElementType,
  type GraphAttribute,
  type GraphBuilder,
  type Value,
} from '../../../inference/onnx/graph-builder.ts';
import type { LayerWriter, Linear, ReadyRows } from './layers.ts';

/** Large enough to rule a token out, small enough that sums with it stay finite. */
const RULED_OUT = -1e9;
/**
 * Tokens whose scores are computed together. The scores of 30 hypotheses then stay in a core's second-level cache for the
 * passes that follow, where those of the whole vocabulary (6 MB) would go to memory each time.
 */
const SLICE_TOKENS = 6500;

export interface TokenChoiceOptions {
  /** Tokens never chosen, and those not chosen first. */
  readonly suppressed: readonly number[];
  readonly suppressedAtBegin: readonly number[];
  /** Tokens whose probabilities the `probed` output holds (no-speech, then the languages). */
  readonly probed: readonly number[];
  /** Default: {@link SLICE_TOKENS}. */
  readonly sliceTokens?: number;
}

/** [1] int64: candidates wanted; bool scalars: the text begins here, probabilities are asked for. */
export interface TokenChoiceInputs {
  readonly top: Value;
  readonly begin: Value;
  readonly probe: Value;
}

/**
 * Chooses the best tokens for each row of `hidden` [B, K, width] and answers the probe.
 * Outputs: `log_probabilities` and `tokens` [B, K, top] among the tokens that are allowed, likeliest first; `probed`
 * [B, K, tokens] probabilities among all tokens (empty unless `probe`). Where there are fewer tokens than `top`, it gives
 * those.
 *
 * Suppressed tokens cost nothing: those behind the last allowed one are computed for the probe only, those between are
 * ruled out by a mask inside the product. Tokens that only cannot come first are, too, and have a product of their own.
 */
export function writeTokenChoice(
  writer: LayerWriter,
  weights: WeightSource,
  options: TokenChoiceOptions,
  hidden: Value,
  { top, begin, probe }: TokenChoiceInputs,
): void {
  const { graph } = writer;
  const projection = new Projection(writer, weights);
  const { slices, beginners, never } = sortTokens(options, projection.tokens);
  const rows = writer.ready(hidden);

  const scores = slices.map(({ from, to, hole }) => projection.range(rows, from, to, hole));
  const best = scores.map((slice, index) => bestOfSlice(graph, slice, slices[index]!, top));
  let beginnerScores: Value | undefined;
  if (beginners.length > 0) {
    beginnerScores = projection.of(rows, beginners);
    const penalty = graph.op('Mul', [graph.op('Cast', [begin], { to: ElementType.float32 }), graph.float(RULED_OUT)]);
    best.push(allOf(graph, graph.op('Add', [beginnerScores, penalty]), beginners));
  }
  const join = (values: readonly Value[]) => graph.op('Concat', values, { axis: -1 });
  const total = graph.op('ReduceLogSumExp', [join(best.map(({ logSum }) => logSum))], { axes: [-1], keepdims: 1 });
  const found = join(best.map(({ values }) => values));
  const count = graph.op('Min', [top, graph.op('Gather', [graph.op('Shape', [found]), graph.int64([2])])]);
  const [chosen, places] = graph.opMany('TopK', [found, count], SORTED, 2);
  const tokens = graph.op('GatherElements', [join(best.map((slice) => slice.tokens)), places!], { axis: -1 });
  graph.output('log_probabilities', ElementType.float32, ['B', 'K', 'top'], graph.op('Sub', [chosen!, total]));
  graph.output('tokens', ElementType.int64, ['B', 'K', 'top'], tokens);

  const order = [...slices.flatMap(({ from, to }) => range(from, to)), ...beginners, ...never];
  const placeOf = new Map(order.map((token, place) => [token, place]));
  const answer = graph.subgraph(() => {
    const all = join([
      ...scores,
      ...(beginnerScores === undefined ? [] : [beginnerScores]),
      ...(never.length === 0 ? [] : [projection.of(rows, never)]),
    ]);
    const wanted = graph.op(
      'Gather',
      [graph.op('Softmax', [all], { axis: -1 }), graph.int64(options.probed.map((token) => placeOf.get(token)!))],
      { axis: -1 },
    );
    return { inputs: [], outputs: [[wanted, ElementType.float32, ['B', 'K', 'P']]] };
  });
  const probed = graph.op('If', [probe], { then_branch: answer, else_branch: emptyBranch(graph, 3) });
  graph.output('probed', ElementType.float32, ['B', 'K', 'P'], probed);
}

/** A branch that gives an empty tensor. */
export function emptyBranch(graph: GraphBuilder, rank: number): GraphAttribute {
  const dims = graph.int64(new Array(rank).fill(0));
  return graph.subgraph(() => ({
    inputs: [],
    outputs: [[graph.op('ConstantOfShape', [dims]), ElementType.float32, new Array(rank).fill('none')]],
  }));
}

const SORTED = { axis: -1, largest: 1, sorted: 1 } as const;

/** Tokens [from, to), and those among them that are left out of the choice. */
interface Slice {
  readonly from: number;
  readonly to: number;
  readonly hole: readonly number[];
}

/** The tokens that can be chosen, in slices; those that cannot come first; and those that never come. */
function sortTokens(
  { suppressed, suppressedAtBegin, sliceTokens = SLICE_TOKENS }: TokenChoiceOptions,
  vocabulary: number,
): { slices: Slice[]; beginners: number[]; never: number[] } {
  const never = new Set(suppressed);
  const beginners = new Set(suppressedAtBegin.filter((token) => !never.has(token)));
  let end = vocabulary;
  while (end > 0 && never.has(end - 1)) end--;
  const count = Math.max(1, Math.ceil(end / sliceTokens));
  const slices = Array.from({ length: count }, (_, index) => {
    const from = Math.floor((end * index) / count);
    const to = Math.floor((end * (index + 1)) / count);
    return { from, to, hole: range(from, to).filter((token) => never.has(token) || beginners.has(token)) };
  });
  return { slices, beginners: [...beginners], never: [...never].filter((token) => token < vocabulary) };
}

/** The layer from hidden states to scores of tokens, in parts. */
class Projection {
  readonly tokens: number;
  readonly #writer: LayerWriter;
  readonly #weights: Float32Array;
  readonly #width: number;

  constructor(writer: LayerWriter, source: WeightSource) {
    const { dims, data } = source.read('decoder/projection/weight');
    this.#writer = writer;
    this.#weights = data;
    [this.tokens, this.#width] = dims as [number, number];
  }

  /** Scores of tokens [from, to); those in the hole are ruled out. */
  range(rows: ReadyRows, from: number, to: number, hole: readonly number[]): Value {
    const width = this.#width;
    const layer = this.#layer(this.#weights.subarray(from * width, to * width), to - from);
    if (hole.length === 0) return this.#writer.projectReady(rows, layer);
    const mask = new Float32Array(to - from);
    for (const token of hole) mask[token - from] = RULED_OUT;
    return this.#writer.projectReady(rows, layer, this.#writer.graph.float32([to - from], mask));
  }

  /** Scores of some tokens. */
  of(rows: ReadyRows, tokens: readonly number[]): Value {
    const width = this.#width;
    const weights = new Float32Array(tokens.length * width);
    tokens.forEach((token, index) => {
      weights.set(this.#weights.subarray(token * width, (token + 1) * width), index * width);
    });
    return this.#writer.projectReady(rows, this.#layer(weights, tokens.length));
  }

  #layer(weights: Float32Array, tokens: number): Linear {
    return this.#writer.linearFrom(weights, undefined, tokens, this.#width);
  }
}

/** Candidates of a part of the vocabulary, [B, K, n], and the logarithm of the sum of all its exponentials, [B, K, 1]. */
interface Candidates {
  readonly values: Value;
  readonly tokens: Value;
  readonly logSum: Value;
}

function bestOfSlice(graph: GraphBuilder, scores: Value, { from, to }: Slice, top: Value): Candidates {
  const count = graph.op('Min', [top, graph.int64([to - from])]);
  const [values, places] = graph.opMany('TopK', [scores, count], SORTED, 2) as [Value, Value];
  // The softmax operator is the one whose exponentials are fast: what it took from the best score is the sum.
  const shares = graph.op('LogSoftmax', [scores], { axis: -1 });
  const first = (x: Value) => graph.op('Slice', [x, graph.int64([0]), graph.int64([1]), graph.int64([-1])]);
  const share = graph.op('GatherElements', [shares, first(places)], { axis: -1 });
  return {
    values,
    tokens: from === 0 ? places : graph.op('Add', [places, graph.int64(from)]),
    logSum: graph.op('Sub', [first(values), share]),
  };
}

function allOf(graph: GraphBuilder, scores: Value, tokens: readonly number[]): Candidates {
  return {
    values: scores,
    tokens: graph.op('Expand', [
      graph.initializer(ElementType.int64, [1, 1, tokens.length], BigInt64Array.from(tokens, BigInt)),
      graph.op('Shape', [scores]),
    ]),
    logSum: graph.op('ReduceLogSumExp', [scores], { axes: [-1], keepdims: 1 }),
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
