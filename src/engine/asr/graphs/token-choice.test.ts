import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { WeightSource } from '../../../core/tensors.ts';
import { ElementType, writeGraph } from '../../../inference/onnx/graph-builder.ts';
import { type InferenceSession, openSession, Tensor } from '../../../inference/session.ts';
import { randomValues } from '../fixtures/tiny-model.ts';
import { LayerWriter, type Precision } from './layers.ts';
import { type TokenChoiceOptions, writeTokenChoice } from './token-choice.ts';

const VOCABULARY = 230;
const WIDTH = 64;
const ROWS = 3;
const WEIGHTS = randomValues(VOCABULARY * WIDTH, 5);
const HIDDEN = randomValues(ROWS * WIDTH, 6, 0.5);
const folder = mkdtempSync(join(tmpdir(), 'diarist-token-choice-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function open(options: TokenChoiceOptions, precision: Precision = 'float32'): Promise<InferenceSession> {
  const path = join(folder, `${precision}-${Math.random()}.onnx`);
  const source = { read: () => ({ dims: [VOCABULARY, WIDTH], data: WEIGHTS }) } as unknown as WeightSource;
  writeGraph(path, (graph) => {
    const hidden = graph.input('hidden', ElementType.float32, ['B', 'K', WIDTH]);
    const inputs = {
      top: graph.input('top', ElementType.int64, [1]),
      begin: graph.input('begin', ElementType.bool, []),
      probe: graph.input('probe', ElementType.bool, []),
    };
    writeTokenChoice(new LayerWriter(graph, source, precision), source, options, hidden, inputs);
  });
  return openSession(path, { provider: 'cpu', threads: 1, arena: true, optimize: false });
}

async function choose(
  session: InferenceSession,
  { top, begin, probe }: { top: number; begin: boolean; probe: boolean },
) {
  const outputs = await session.run({
    hidden: new Tensor('float32', HIDDEN, [1, ROWS, WIDTH]),
    top: new Tensor('int64', BigInt64Array.of(BigInt(top)), [1]),
    begin: new Tensor('bool', [begin], []),
    probe: new Tensor('bool', [probe], []),
  });
  return {
    tokens: Array.from(outputs.tokens!.data as BigInt64Array, Number),
    logProbabilities: outputs.log_probabilities!.data as Float32Array,
    probed: outputs.probed!.data as Float32Array,
  };
}

/** Scores of a row by plain loops. */
function scoresOf(row: number): number[] {
  return Array.from({ length: VOCABULARY }, (_, token) => {
    let sum = 0;
    for (let i = 0; i < WIDTH; i++) sum += WEIGHTS[token * WIDTH + i]! * HIDDEN[row * WIDTH + i]!;
    return sum;
  });
}

const logSum = (values: readonly number[]) => Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0));

/** The best allowed tokens of a row with their log-probabilities. */
function expectedChoice(row: number, ruledOut: ReadonlySet<number>, top: number) {
  const scores = scoresOf(row);
  const allowed = scores.map((score, token) => ({ score, token })).filter(({ token }) => !ruledOut.has(token));
  const total = logSum(allowed.map(({ score }) => score));
  const best = allowed.sort((a, b) => b.score - a.score).slice(0, top);
  return best.map(({ score, token }) => ({ token, logProbability: score - total }));
}

const SUPPRESSED = [3, 70, 71, 139, ...Array.from({ length: 40 }, (_, index) => VOCABULARY - 40 + index)];
const AT_BEGIN = [0, 69, 150, 3];

it.each([1000, 190, 70, 31])(
  'chooses as one pass over everything does, in slices of %i tokens',
  async (sliceTokens) => {
    const probed = [VOCABULARY - 1, 0, 70, 150, 12];
    const session = await open({ suppressed: SUPPRESSED, suppressedAtBegin: AT_BEGIN, probed, sliceTokens });
    for (const top of [1, 6, 64]) {
      for (const begin of [false, true]) {
        const answer = await choose(session, { top, begin, probe: top === 6 });
        const ruledOut = new Set([...SUPPRESSED, ...(begin ? AT_BEGIN : [])]);
        for (let row = 0; row < ROWS; row++) {
          const expected = expectedChoice(row, ruledOut, top);
          expect(answer.tokens.slice(row * top, (row + 1) * top)).toEqual(expected.map(({ token }) => token));
          expected.forEach(({ logProbability }, index) => {
            expect(answer.logProbabilities[row * top + index]).toBeCloseTo(logProbability, 4);
          });
        }
        if (top !== 6) expect(answer.probed).toHaveLength(0);
        else {
          for (let row = 0; row < ROWS; row++) {
            const scores = scoresOf(row);
            probed.forEach((token, index) => {
              const probability = Math.exp(scores[token]! - logSum(scores));
              expect(answer.probed[row * probed.length + index]).toBeCloseTo(probability, 5);
            });
          }
        }
      }
    }
    await session.release();
  },
);

it('needs no suppressed tokens', async () => {
  const session = await open({ suppressed: [], suppressedAtBegin: [], probed: [5], sliceTokens: 100 });
  const answer = await choose(session, { top: 2, begin: true, probe: true });
  expect(answer.tokens.slice(0, 2)).toEqual(expectedChoice(0, new Set(), 2).map(({ token }) => token));
  expect(answer.probed[0]).toBeCloseTo(Math.exp(scoresOf(0)[5]! - logSum(scoresOf(0))), 5);
  await session.release();
});

it.each([
  ['int8', 0.05],
  ['float16', 0.01],
] as const)('stays near the exact choice in %s', async (precision, tolerance) => {
  const options = { suppressed: SUPPRESSED, suppressedAtBegin: AT_BEGIN, probed: [1], sliceTokens: 70 };
  const session = await open(options, precision);
  const answer = await choose(session, { top: 1, begin: true, probe: false });
  for (let row = 0; row < ROWS; row++) {
    const expected = expectedChoice(row, new Set([...SUPPRESSED, ...AT_BEGIN]), VOCABULARY);
    const chosen = expected.find(({ token }) => token === answer.tokens[row]);
    expect(chosen!.logProbability).toBeGreaterThan(expected[0]!.logProbability - tolerance);
    expect(Math.abs(answer.logProbabilities[row]! - chosen!.logProbability)).toBeLessThan(tolerance);
  }
  await session.release();
});
