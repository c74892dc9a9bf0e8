import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { bytesField, concat, floatField, varintField } from './protobuf.ts';

/** ONNX element types (TensorProto.DataType). */
export const ElementType = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
} as const;
export type ElementType = (typeof ElementType)[keyof typeof ElementType];

/** Name of a value inside a graph; the empty string stands for an optional input that is left out. */
export type Value = string;
export type Dim = number | string;
export type TensorData = Float32Array | Uint8Array | Int8Array | Uint16Array | Int32Array | BigInt64Array;

/** A float attribute; plain numbers are written as integers. */
export interface FloatAttribute {
  readonly float: number;
}
/** A sub-graph attribute, made by {@link GraphBuilder.subgraph}. */
export interface GraphAttribute {
  readonly graph: Uint8Array;
}
export type Attribute = number | string | readonly number[] | FloatAttribute | GraphAttribute;
export type Attributes = Readonly<Record<string, Attribute>>;
export type ValueInfo = readonly [name: Value, type: ElementType, dims: readonly Dim[]];

const INLINE_LIMIT_BYTES = 1024;
const PAGE_BYTES = 4096;
const IR_VERSION = 9;
const MICROSOFT_DOMAIN = 'com.microsoft';

/** Marks a number as a float attribute. */
export const floatAttribute = (float: number): FloatAttribute => ({ float });

/**
 * Writes one ONNX model to `path`, with what `build` adds to it; of a build that throws no file stays. Throws what `build`
 * or the disk throws.
 */
export function writeGraph(path: string, build: (graph: GraphBuilder) => void): void {
  const graph = new GraphBuilder(path);
  try {
    build(graph);
    graph.save();
  } catch (error) {
    graph.discard();
    throw error;
  }
}

/**
 * One ONNX model in the making, by {@link writeGraph}: nodes in memory, weights straight to `<path>.data` (page-aligned,
 * so that the runtime maps them instead of copying).
 */
export class GraphBuilder {
  readonly #path: string;
  #dataFile: number | undefined;
  #dataOffset = 0;
  #nodes: Uint8Array[] = [];
  readonly #initializers: Uint8Array[] = [];
  readonly #inputs: Uint8Array[] = [];
  readonly #outputs: Uint8Array[] = [];
  readonly #constants = new Map<string, Value>();
  #counter = 0;

  constructor(path: string) {
    this.#path = path;
    this.#dataFile = openSync(`${path}.data`, 'w');
  }

  /** A fresh value name. */
  name(prefix = 'v'): Value {
    return `${prefix}${this.#counter++}`;
  }

  /** Adds a weight or constant; `data` is row-major and its bytes are written now. */
  initializer(type: ElementType, dims: readonly number[], data: TensorData, name = this.name('w')): Value {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const parts = [...dims.map((dim) => varintField(1, dim)), varintField(2, type), bytesField(8, name)];
    if (bytes.length < INLINE_LIMIT_BYTES) {
      parts.push(bytesField(9, bytes));
    } else {
      const offset = this.#appendData(bytes);
      const entries = { location: `${basename(this.#path)}.data`, offset: `${offset}`, length: `${bytes.length}` };
      for (const [key, value] of Object.entries(entries)) {
        parts.push(bytesField(13, concat([bytesField(1, key), bytesField(2, value)])));
      }
      parts.push(varintField(14, 1));
    }
    this.#initializers.push(concat(parts));
    return name;
  }

  float32(dims: readonly number[], data: Float32Array): Value {
    return this.initializer(ElementType.float32, dims, data);
  }

  /** A float32 constant: a scalar for a number, a vector for an array. Equal constants are shared. */
  float(value: number | readonly number[]): Value {
    return this.#constant('f', value, (values, dims) =>
      this.initializer(ElementType.float32, dims, Float32Array.from(values)),
    );
  }

  /** An int64 constant: a scalar for a number, a vector for an array. Equal constants are shared. */
  int64(value: number | readonly number[]): Value {
    return this.#constant('i', value, (values, dims) =>
      this.initializer(
        ElementType.int64,
        dims,
        BigInt64Array.from(values, (v) => BigInt(v)),
      ),
    );
  }

  #constant(
    kind: string,
    value: number | readonly number[],
    make: (values: readonly number[], dims: readonly number[]) => Value,
  ): Value {
    const key = kind + JSON.stringify(value);
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const made = typeof value === 'number' ? make([value], []) : make(value, [value.length]);
    this.#constants.set(key, made);
    return made;
  }

  /** Adds a node of the standard operator set with one output, and returns it. */
  op(type: string, inputs: readonly Value[], attributes: Attributes = {}, output: Value = this.name()): Value {
    this.#node(type, inputs, [output], attributes, '');
    return output;
  }

  /** Adds a node of the standard operator set with several outputs. */
  opMany(type: string, inputs: readonly Value[], attributes: Attributes, outputs: number | readonly Value[]): Value[] {
    const names = typeof outputs === 'number' ? Array.from({ length: outputs }, () => this.name()) : [...outputs];
    this.#node(type, inputs, names, attributes, '');
    return names;
  }

  /** Adds a node of ONNX Runtime's own operator set (com.microsoft) with one output. */
  contrib(type: string, inputs: readonly Value[], attributes: Attributes = {}, output: Value = this.name()): Value {
    this.#node(type, inputs, [output], attributes, MICROSOFT_DOMAIN);
    return output;
  }

  contribMany(
    type: string,
    inputs: readonly Value[],
    attributes: Attributes,
    outputs: number | readonly Value[],
  ): Value[] {
    const names = typeof outputs === 'number' ? Array.from({ length: outputs }, () => this.name()) : [...outputs];
    this.#node(type, inputs, names, attributes, MICROSOFT_DOMAIN);
    return names;
  }

  input(name: Value, type: ElementType, dims: readonly Dim[]): Value {
    this.#inputs.push(valueInfo([name, type, dims]));
    return name;
  }

  /** Declares a graph output; with `source`, an Identity carries that value into it. */
  output(name: Value, type: ElementType, dims: readonly Dim[], source?: Value): Value {
    if (source !== undefined) this.op('Identity', [source], {}, name);
    this.#outputs.push(valueInfo([name, type, dims]));
    return name;
  }

  /**
   * Builds a sub-graph (the body of a Loop or If). Nodes added by `build` go into it; it may use values and weights of
   * the outer graph.
   */
  subgraph(build: () => { inputs: readonly ValueInfo[]; outputs: readonly ValueInfo[] }): GraphAttribute {
    const outer = this.#nodes;
    this.#nodes = [];
    const { inputs, outputs } = build();
    const body = this.#nodes;
    this.#nodes = outer;
    return {
      graph: concat([
        ...body.map((node) => bytesField(1, node)),
        bytesField(2, this.name('body')),
        ...inputs.map((info) => bytesField(11, valueInfo(info))),
        ...outputs.map((info) => bytesField(12, valueInfo(info))),
      ]),
    };
  }

  /** Writes the model file and closes the data file. */
  save(opset = 17): void {
    const graph = concat([
      ...this.#nodes.map((node) => bytesField(1, node)),
      bytesField(2, 'diarist'),
      ...this.#initializers.map((value) => bytesField(5, value)),
      ...this.#inputs.map((value) => bytesField(11, value)),
      ...this.#outputs.map((value) => bytesField(12, value)),
    ]);
    const model = concat([
      varintField(1, IR_VERSION),
      bytesField(2, 'diarist'),
      bytesField(7, graph),
      bytesField(8, concat([bytesField(1, ''), varintField(2, opset)])),
      bytesField(8, concat([bytesField(1, MICROSOFT_DOMAIN), varintField(2, 1)])),
    ]);
    this.#closeData();
    writeFileSync(this.#path, model);
  }

  /** Closes and removes what was written. */
  discard(): void {
    this.#closeData();
    rmSync(`${this.#path}.data`, { force: true });
    rmSync(this.#path, { force: true });
  }

  #closeData(): void {
    if (this.#dataFile !== undefined) closeSync(this.#dataFile);
    this.#dataFile = undefined;
  }

  #appendData(bytes: Uint8Array): number {
    const padding = (PAGE_BYTES - (this.#dataOffset % PAGE_BYTES)) % PAGE_BYTES;
    if (padding > 0) this.#writeAll(new Uint8Array(padding));
    const offset = this.#dataOffset;
    this.#writeAll(bytes);
    return offset;
  }

  #writeAll(bytes: Uint8Array): void {
    let written = 0;
    while (written < bytes.length) written += writeSync(this.#dataFile!, bytes, written);
    this.#dataOffset += bytes.length;
  }

  #node(
    type: string,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: Attributes,
    domain: string,
  ): void {
    this.#nodes.push(
      concat([
        ...inputs.map((name) => bytesField(1, name)),
        ...outputs.map((name) => bytesField(2, name)),
        bytesField(3, this.name(`${type}_`)),
        bytesField(4, type),
        ...Object.entries(attributes).map(([key, value]) => bytesField(5, attribute(key, value))),
        ...(domain === '' ? [] : [bytesField(7, domain)]),
      ]),
    );
  }
}

/** AttributeProto: field 20 is the type (1 float, 2 int, 3 string, 5 graph, 7 ints). */
function attribute(key: string, value: Attribute): Uint8Array {
  const name = bytesField(1, key);
  if (typeof value === 'number') return concat([name, varintField(3, value), varintField(20, 2)]);
  if (typeof value === 'string') return concat([name, bytesField(4, value), varintField(20, 3)]);
  if ('float' in value) return concat([name, floatField(2, value.float), varintField(20, 1)]);
  if ('graph' in value) return concat([name, bytesField(6, value.graph), varintField(20, 5)]);
  return concat([name, ...value.map((item) => varintField(8, item)), varintField(20, 7)]);
}

function valueInfo([name, type, dims]: ValueInfo): Uint8Array {
  const shape = dims.map((dim) => bytesField(1, typeof dim === 'number' ? varintField(1, dim) : bytesField(2, dim)));
  const tensor = concat([varintField(1, type), bytesField(2, concat(shape))]);
  return concat([bytesField(1, name), bytesField(2, bytesField(1, tensor))]);
}
