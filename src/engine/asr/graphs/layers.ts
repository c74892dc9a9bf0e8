import type { WeightSource } from '../../../core/tensors.ts';
import { ElementType, floatAttribute, type GraphBuilder, type Value } from '../../../inference/onnx/graph-builder.ts';
import { quantizeWeights, toFloat16, transpose } from './quantize.ts';

/** Arithmetic of the linear layers; float16 keeps everything between them in float32. */
export type Precision = 'int8' | 'float32' | 'float16';

/** A slice of a linear layer: rows [from, to) of its [outputs, inputs] weights, optionally scaled. */
export interface LinearSlice {
  readonly from?: number;
  readonly to?: number;
  /** Multiplies weights and bias: folds a constant factor (such as the attention scale) into the layer. */
  readonly factor?: number;
}

/** A linear layer's weights as graph initialisers. */
export interface Linear {
  readonly inputs: number;
  readonly outputs: number;
  /** int8 [inputs, outputs] with `scales` [outputs], or float32 or float16 [inputs, outputs]. */
  readonly weights: Value;
  readonly scales?: Value;
  /** [outputs]; absent where the layer has no bias or a zero one. */
  readonly bias?: Value;
}

/** An activation quantised for one or more linear layers: u8 values with one scale for all (and their zero point). */
export interface QuantizedBlock {
  readonly values: Value;
  readonly scale: Value;
  readonly zeroPoint: Value;
}

/** An activation quantised by row: u8 around 128, value = (q - 128) * row / 127. */
export interface QuantizedRows {
  readonly values: Value;
  /** [..., 1]: largest magnitude of each row. */
  readonly rows: Value;
}

/** An activation as a layer of the writer's precision takes it. */
export type ReadyRows = QuantizedRows | { readonly x: Value };

const LAYER_NORM_EPSILON = 1e-5;
const SMALLEST_ROW = 1e-9;

/** Emits the layers of a Whisper checkpoint (CTranslate2 names) into one graph, sharing what is used twice. */
export class LayerWriter {
  readonly graph: GraphBuilder;
  readonly precision: Precision;
  readonly #weights: WeightSource;
  readonly #linears = new Map<string, Linear>();
  readonly #norms = new Map<string, readonly [gamma: Value, beta: Value]>();
  readonly #zeroPointVectors = new Map<string, Value>();
  #zero128: Value | undefined;

  constructor(graph: GraphBuilder, weights: WeightSource, precision: Precision) {
    this.graph = graph;
    this.#weights = weights;
    this.precision = precision;
  }

  /** The uint8 zero point 128 of symmetric activations. */
  get zero128(): Value {
    this.#zero128 ??= this.graph.initializer(ElementType.uint8, [], Uint8Array.of(128));
    return this.#zero128;
  }

  /** Loads `<name>/weight` and `<name>/bias` (or a slice of them). */
  linear(name: string, slice: LinearSlice = {}): Linear {
    const key = `${name}:${slice.from}:${slice.to}:${slice.factor}`;
    const known = this.#linears.get(key);
    if (known !== undefined) return known;
    const [allOutputs, inputs] = this.#weights.dims(`${name}/weight`) as [number, number];
    const from = slice.from ?? 0;
    const to = slice.to ?? allOutputs;
    const factor = slice.factor ?? 1;
    const scaled = (data: Float32Array) => (factor === 1 ? data : data.map((value) => value * factor));
    const weights = scaled(this.#weights.read(`${name}/weight`).data.subarray(from * inputs, to * inputs));
    const biasName = `${name}/bias`;
    const bias = this.#weights.has(biasName) ? scaled(this.#weights.read(biasName).data.subarray(from, to)) : undefined;
    const made = this.linearFrom(weights, bias, to - from, inputs);
    this.#linears.set(key, made);
    return made;
  }

  /** A linear layer of given weights [outputs, inputs] and bias [outputs]. */
  linearFrom(weights: Float32Array, bias: Float32Array | undefined, outputs: number, inputs: number): Linear {
    const { graph } = this;
    const biasValue = bias?.some((value) => value !== 0) ? { bias: graph.float32([outputs], bias) } : {};
    if (this.precision !== 'int8') {
      const transposed = transpose(weights, outputs, inputs);
      const dims = [inputs, outputs];
      const values =
        this.precision === 'float32'
          ? graph.float32(dims, transposed)
          : graph.initializer(ElementType.float16, dims, toFloat16(transposed));
      return { inputs, outputs, weights: values, ...biasValue };
    }
    const { values, scales } = quantizeWeights(weights, outputs, inputs);
    return {
      inputs,
      outputs,
      weights: graph.initializer(ElementType.int8, [inputs, outputs], values),
      scales: graph.float32([outputs], scales),
      ...biasValue,
    };
  }

  /** Quantises a whole activation with one scale (DynamicQuantizeLinear): cheap, for rows of like magnitude. */
  quantizeBlock(x: Value): QuantizedBlock {
    const [values, scale, zeroPoint] = this.graph.opMany('DynamicQuantizeLinear', [x], {}, 3) as [Value, Value, Value];
    return { values, scale, zeroPoint };
  }

  /** x [rows, inputs] quantised with one scale for the block, times the layer, plus its bias, in one operator. */
  applyToBlock(x: QuantizedBlock, layer: Linear): Value {
    return this.graph.contrib('MatMulIntegerToFloat', [
      x.values,
      layer.weights,
      x.scale,
      required(layer.scales),
      x.zeroPoint,
      ...(layer.bias === undefined ? [] : ['', layer.bias]),
    ]);
  }

  /**
   * Quantises x [..., inputs] with one scale a row: a row's result then does not depend on its batch mates, and one
   * outlier row does not cost the others their precision. `floor` is a magnitude no negative value of x can exceed;
   * where it is given, the largest value stands for the largest magnitude.
   */
  quantizeRows(x: Value, floor?: number): QuantizedRows {
    const { graph } = this;
    const magnitude = floor === undefined ? graph.op('Abs', [x]) : x;
    const largest = graph.op('ReduceMax', [magnitude], { axes: [-1], keepdims: 1 });
    const rows = graph.op('Max', [largest, graph.float(floor ?? SMALLEST_ROW)]);
    const values = graph.op('QuantizeLinear', [graph.op('Div', [x, rows]), graph.float(1 / 127), this.zero128]);
    return { values, rows };
  }

  /**
   * As {@link quantizeRows}, for x [rowCount, inputs] of known height: one operator less, since QuantizeLinear takes
   * a scale a row.
   */
  quantizeFixedRows(x: Value, rowCount: number, floor?: number): QuantizedRows {
    const { graph } = this;
    const magnitude = floor === undefined ? graph.op('Abs', [x]) : x;
    const largest = graph.op('ReduceMax', [magnitude], { axes: [-1], keepdims: 0 });
    const rows = graph.op('Max', [largest, graph.float(floor ?? SMALLEST_ROW)]);
    const scale = graph.op('Mul', [rows, graph.float(1 / 127)]);
    const values = graph.op('QuantizeLinear', [x, scale, this.zeroPoints(rowCount, 128)], { axis: 0 });
    return { values, rows: graph.op('Reshape', [rows, graph.int64([rowCount, 1])]) };
  }

  /** A vector of equal uint8 zero points, for quantisation along an axis. */
  zeroPoints(count: number, value: number): Value {
    const key = `${count}:${value}`;
    let made = this.#zeroPointVectors.get(key);
    if (made === undefined) {
      made = this.graph.initializer(ElementType.uint8, [count], new Uint8Array(count).fill(value));
      this.#zeroPointVectors.set(key, made);
    }
    return made;
  }

  /** int8 zero points: a scalar, or a vector for quantisation along an axis. */
  int8Zeros(count?: number): Value {
    const key = `i8:${count}`;
    let made = this.#zeroPointVectors.get(key);
    if (made === undefined) {
      made = this.graph.initializer(ElementType.int8, count === undefined ? [] : [count], new Int8Array(count ?? 1));
      this.#zeroPointVectors.set(key, made);
    }
    return made;
  }

  /** The layer applied to rows quantised by {@link quantizeRows}, without its bias; `mask` as in {@link projectReady}. */
  applyToRows(x: QuantizedRows, layer: Linear, mask?: Value): Value {
    const { graph } = this;
    const product = graph.contrib('MatMulIntegerToFloat', [
      x.values,
      layer.weights,
      graph.float(1 / 127),
      required(layer.scales),
      this.zero128,
      ...(mask === undefined ? [] : ['', mask]),
    ]);
    return graph.op('Mul', [product, x.rows]);
  }

  /** x made ready for {@link projectReady}: what several layers multiply is quantised once. */
  ready(x: Value): ReadyRows {
    if (this.precision === 'float32') return { x };
    if (this.precision === 'float16') return { x: this.graph.op('Cast', [x], { to: ElementType.float16 }) };
    return this.quantizeRows(x);
  }

  /**
   * The layer applied to {@link ready} rows, without its bias. `mask` [outputs], of zeros and numbers too low for any
   * score, rules outputs out; how low exactly they end is nobody's matter.
   */
  projectReady(rows: ReadyRows, layer: Linear, mask?: Value): Value {
    const { graph } = this;
    if ('values' in rows) return this.applyToRows(rows, layer, mask);
    const product = graph.op('MatMul', [rows.x, layer.weights]);
    const exact = this.precision === 'float16' ? graph.op('Cast', [product], { to: ElementType.float32 }) : product;
    return mask === undefined ? exact : graph.op('Add', [exact, mask]);
  }

  /** The layer applied to float32 x, without its bias (row-quantised in int8). */
  project(x: Value, layer: Linear): Value {
    return this.projectReady(this.ready(x), layer);
  }

  addBias(x: Value, layer: Linear): Value {
    return layer.bias === undefined ? x : this.graph.op('Add', [x, layer.bias]);
  }

  /** The layer applied to float32 x, with its bias. */
  apply(x: Value, layer: Linear): Value {
    return this.addBias(this.project(x, layer), layer);
  }

  layerNorm(x: Value, name: string): Value {
    let parameters = this.#norms.get(name);
    if (parameters === undefined) {
      const gamma = this.#weights.read(`${name}/gamma`);
      const beta = this.#weights.read(`${name}/beta`);
      parameters = [this.graph.float32(gamma.dims, gamma.data), this.graph.float32(beta.dims, beta.data)];
      this.#norms.set(name, parameters);
    }
    return this.graph.op('LayerNormalization', [x, ...parameters], {
      axis: -1,
      epsilon: floatAttribute(LAYER_NORM_EPSILON),
    });
  }

  /** Exact GELU of x plus the layer's bias. */
  geluWithBias(x: Value, layer: Linear): Value {
    if (layer.bias === undefined) return this.graph.contrib('Gelu', [x]);
    return this.graph.contrib('BiasGelu', [x, layer.bias]);
  }
}

function required(value: Value | undefined): Value {
  if (value === undefined) throw new Error('a quantised layer lacks its scales');
  return value;
}
