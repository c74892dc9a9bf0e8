import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { scratchFolder } from '../fixtures/scratch-folder.ts';
import { openSession, Tensor } from '../session.ts';
import { ElementType, floatAttribute, type GraphBuilder, writeGraph } from './graph-builder.ts';
import { bytesField, concat, floatField, varintField } from './protobuf.ts';

const folder = scratchFolder();
afterAll(() => folder[Symbol.dispose]());
let files = 0;
const nextPath = () => join(folder.path, `graph-${files++}.onnx`);

/** Writes a graph, runs it once and answers its outputs as plain numbers. */
async function compute(
  write: (graph: GraphBuilder) => void,
  inputs: Record<string, Tensor>,
  path = nextPath(),
): Promise<Record<string, { dims: readonly number[]; values: number[] }>> {
  writeGraph(path, write);
  const session = await openSession(path, { provider: 'cpu', threads: 1, arena: false, optimize: false });
  try {
    const outputs = await session.run(inputs);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { dims, data }]) => [
        name,
        { dims, values: Array.from(data as Float32Array | BigInt64Array, Number) },
      ]),
    );
  } finally {
    await session.release();
  }
}

const floats = (...values: number[]) => new Tensor('float32', Float32Array.from(values), [values.length]);

it('writes scalars, vectors and attributes that the runtime reads back', async () => {
  const { y, range, picked } = await compute(
    (graph) => {
      graph.input('x', ElementType.float32, ['n']);
      const slope = graph.op('LeakyRelu', ['x'], { alpha: floatAttribute(0.25) });
      graph.output('y', ElementType.float32, ['n'], graph.op('Add', [slope, graph.float(0.5)]));
      const range = graph.op('Range', [graph.int64(-3), graph.int64(9), graph.int64(4)]);
      graph.output('range', ElementType.int64, ['r'], range);
      const table = graph.op('Reshape', [graph.float([1, 2, 3, 4, 5, 6]), graph.int64([2, -1])]);
      const turned = graph.op('Transpose', [table], { perm: [1, 0] });
      graph.output('picked', ElementType.float32, [3, 2], turned);
    },
    { x: floats(-4, 8) },
  );
  expect(y?.values).toEqual([-0.5, 8.5]);
  expect(range?.values).toEqual([-3, 1, 5]);
  expect(picked).toEqual({ dims: [3, 2], values: [1, 4, 2, 5, 3, 6] });
});

it('shares equal constants and keeps a scalar apart from a vector of one', () => {
  writeGraph(nextPath(), (graph) => {
    expect(graph.float([1, 2])).toBe(graph.float([1, 2]));
    expect(graph.int64(7)).toBe(graph.int64(7));
    expect(graph.int64(7)).not.toBe(graph.int64([7]));
    expect(graph.int64(7)).not.toBe(graph.float(7));
  });
});

it('leaves no file of a graph that fails, before or after its data is written', () => {
  using empty = scratchFolder();
  const broken = new Error('the weights are damaged');
  const path = join(empty.path, 'model.onnx');
  const fail = () =>
    writeGraph(path, (graph) => {
      graph.float32([2000], new Float32Array(2000));
      throw broken;
    });
  expect(fail).toThrow(broken);
  expect(readdirSync(empty.path)).toEqual([]);
  // A folder where the model should be: only the last step fails.
  mkdirSync(path);
  expect(() => writeGraph(path, (graph) => void graph.float32([2000], new Float32Array(2000)))).toThrow();
  expect(readdirSync(empty.path)).toEqual(['model.onnx']);
});

it('gives several outputs of one node, and operators of the runtime’s own set', async () => {
  const { low, high, gelu } = await compute(
    (graph) => {
      graph.input('x', ElementType.float32, [4]);
      const [low, high] = graph.opMany('Split', ['x', graph.int64([1, 3])], { axis: 0 }, 2) as [string, string];
      graph.output('low', ElementType.float32, [1], low);
      graph.output('high', ElementType.float32, [3], high);
      graph.output('gelu', ElementType.float32, [4], graph.contrib('Gelu', ['x']));
    },
    { x: floats(1, 2, 3, 4) },
  );
  expect([low?.values, high?.values]).toEqual([[1], [2, 3, 4]]);
  // x * normal distribution function of x, from tables.
  [0.841345, 1.9545, 2.99595, 3.999873].forEach((value, index) => {
    expect(gelu?.values[index]).toBeCloseTo(value, 4);
  });
});

it('runs the branch of an If that the input chooses, with values of the outer graph', async () => {
  const write = (graph: GraphBuilder) => {
    graph.input('double', ElementType.bool, []);
    graph.input('x', ElementType.float32, ['n']);
    const factor = graph.op('Mul', ['x', graph.float(2)]);
    const branch = (result: () => string) =>
      graph.subgraph(() => ({ inputs: [], outputs: [[result(), ElementType.float32, ['n']]] }));
    const chosen = graph.op('If', ['double'], {
      then_branch: branch(() => graph.op('Identity', [factor])),
      else_branch: branch(() => graph.op('Neg', ['x'])),
    });
    graph.output('y', ElementType.float32, ['n'], chosen);
  };
  const yes = await compute(write, { double: new Tensor('bool', [true], []), x: floats(1, -2) });
  const no = await compute(write, { double: new Tensor('bool', [false], []), x: floats(1, -2) });
  expect(yes.y?.values).toEqual([2, -4]);
  expect(no.y?.values).toEqual([-1, 2]);
});

it('runs a Loop whose body carries a value and collects another', async () => {
  const { last, all } = await compute(
    (graph) => {
      graph.input('rounds', ElementType.int64, []);
      const body = graph.subgraph(() => {
        const grown = graph.op('Mul', ['carried', graph.float(3)]);
        return {
          inputs: [
            ['round', ElementType.int64, []],
            ['going', ElementType.bool, []],
            ['carried', ElementType.float32, []],
          ],
          outputs: [
            [graph.op('Identity', ['going']), ElementType.bool, []],
            [grown, ElementType.float32, []],
            [graph.op('Identity', [grown]), ElementType.float32, []],
          ],
        };
      });
      const [last, all] = graph.opMany('Loop', ['rounds', '', graph.float(1)], { body }, 2) as [string, string];
      graph.output('last', ElementType.float32, [], last);
      graph.output('all', ElementType.float32, ['rounds'], all);
    },
    { rounds: new Tensor('int64', BigInt64Array.of(4n), []) },
  );
  expect(last?.values).toEqual([81]);
  expect(all?.values).toEqual([3, 9, 27, 81]);
});

it('stores any tensor exactly, inline or in the data file', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 700 }), { minLength: 1, maxLength: 4 }),
      async (vectors) => {
        const outputs = await compute((graph) => {
          vectors.forEach((vector, index) => {
            const value = graph.float32([vector.length], Float32Array.from(vector));
            graph.output(`y${index}`, ElementType.float32, [vector.length], value);
          });
        }, {});
        vectors.forEach((vector, index) => {
          expect(outputs[`y${index}`]?.values).toEqual(Array.from(Float32Array.from(vector)));
        });
      },
    ),
    { numRuns: 25 },
  );
});

it('puts tensors of a kilobyte and more at page boundaries of the data file', async () => {
  const path = nextPath();
  const large = Float32Array.from({ length: 300 }, (_, index) => index / 7);
  const { a, b } = await compute(
    (graph) => {
      graph.output('a', ElementType.float32, [300], graph.float32([300], large));
      graph.output('b', ElementType.float32, [300], graph.float32([300], large.map(Math.sqrt)));
    },
    {},
    path,
  );
  expect(a?.values).toEqual([...large]);
  expect(b?.values).toEqual([...large.map(Math.sqrt)]);
  expect(statSync(`${path}.data`).size).toBe(4096 + 1200);
  expect(readFileSync(`${path}.data`).readFloatLE(4096 + 4 * 63)).toBe(3);
});

it('fails to open where the data file was cut short', async () => {
  const path = nextPath();
  writeGraph(path, (graph) => {
    const weights = graph.float32([2000], new Float32Array(2000).fill(1));
    graph.output('y', ElementType.float32, [2000], weights);
  });
  const settings = { provider: 'cpu', threads: 1, arena: false } as const;
  await (await openSession(path, settings)).release();
  truncateSync(`${path}.data`, 4000);
  await expect(openSession(path, settings)).rejects.toThrow();
});

it('encodes protocol buffer fields as the specification’s examples', () => {
  // "Protocol Buffers Documentation: Encoding": 150 in field 1, "testing" in field 2; a negative number takes ten bytes.
  expect([...varintField(1, 150)]).toEqual([0x08, 0x96, 0x01]);
  expect([...bytesField(2, 'testing')]).toEqual([0x12, 0x07, ...Buffer.from('testing')]);
  expect([...varintField(1, -1)]).toEqual([0x08, ...new Array(9).fill(0xff), 0x01]);
  expect([...floatField(2, 1)]).toEqual([0x15, 0x00, 0x00, 0x80, 0x3f]);
  expect([...varintField(20, 2)]).toEqual([0xa0, 0x01, 0x02]);
  expect([...concat([Uint8Array.of(1), Uint8Array.of(2, 3)])]).toEqual([1, 2, 3]);
});
