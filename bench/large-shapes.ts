import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { WeightDtype, WeightSource } from '../src/core/tensors.ts';
import { EncoderSessions } from '../src/engine/asr/decoding/encoder-sessions.ts';
import { HIDDEN, WhisperModel } from '../src/engine/asr/decoding/whisper-model.ts';
import { writeDecoderGraph } from '../src/engine/asr/graphs/decoder.ts';
import { writeEncoderGraph } from '../src/engine/asr/graphs/encoder.ts';
import type { WhisperShape } from '../src/engine/asr/graphs/shape.ts';
import { openSession } from '../src/inference/session.ts';

/**
 * Runs the shapes of larger Whisper models with random weights through conversion, int8 graphs, encoder and decoder:
 * whether they run at all, how long they take and what they hold, where their weights cannot be had.
 * `node bench/large-shapes.ts [--shape small --shape large-v3-turbo]` prints a JSON line a shape.
 */
const SHAPES: Readonly<Record<string, WhisperShape>> = {
  base: { mels: 80, width: 512, heads: 8, encoderLayers: 6, decoderLayers: 6, vocabulary: 51_865 },
  small: { mels: 80, width: 768, heads: 12, encoderLayers: 12, decoderLayers: 12, vocabulary: 51_865 },
  medium: { mels: 80, width: 1024, heads: 16, encoderLayers: 24, decoderLayers: 24, vocabulary: 51_865 },
  'large-v3-turbo': { mels: 128, width: 1280, heads: 20, encoderLayers: 32, decoderLayers: 4, vocabulary: 51_866 },
};
const WINDOWS = 2;
const STEPS = 20;

const { values } = parseArgs({ options: { shape: { type: 'string', multiple: true } } });
for (const name of values.shape ?? ['small', 'large-v3-turbo']) {
  const shape = SHAPES[name];
  if (shape === undefined) throw new Error(`no shape ${name}: choose from ${Object.keys(SHAPES).join(', ')}`);
  console.log(JSON.stringify({ shape: name, ...(await measure(shape)) }));
}

async function measure(shape: WhisperShape): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'diarist-shapes-'));
  try {
    const weights = randomWeights(shape);
    const [writeSeconds] = await timed(() => {
      const precision = 'int8';
      writeEncoderGraph(join(folder, 'encoder.onnx'), weights, shape, {
        precision,
        attention: 'float32',
        rowBlock: 125,
      });
      writeDecoderGraph(join(folder, 'decoder.onnx'), weights, shape, {
        precision,
        alignmentHeads: [[shape.decoderLayers - 1, 0]],
        suppressed: [],
        suppressedAtBegin: [],
        probed: [0],
      });
    });
    const settings = { provider: 'cpu', threads: 1, arena: false, optimize: false } as const;
    const [openSeconds, model] = await timed(async () => {
      const encoder = new EncoderSessions({ share: 1, all: 1 }, (threads) =>
        openSession(join(folder, 'encoder.onnx'), { ...settings, threads }),
      );
      await encoder.session(false);
      const decoder = await openSession(join(folder, 'decoder.onnx'), settings);
      return new WhisperModel({ encoder, decoder, shape, precision: 'int8', capacity: WINDOWS });
    });
    const audio = Float32Array.from({ length: 480_000 }, (_, i) => 0.1 * Math.sin(i / 20) * Math.sin(i / 4001));
    const [encodeSeconds] = await timed(async () => {
      for (let slot = 0; slot < WINDOWS; slot++) await model.encode(slot, audio);
    });
    const [decodeSeconds] = await timed(() => decode(model));
    const rss = process.memoryUsage.rss();
    await model.release();
    return {
      writeSeconds,
      openSeconds,
      encodeSecondsPerWindow: encodeSeconds / WINDOWS,
      decodeMsPerStep: (decodeSeconds / STEPS) * 1000,
      graphMegabytes: Math.round(
        statSync(join(folder, 'encoder.onnx.data')).size / 1e6 + statSync(join(folder, 'decoder.onnx.data')).size / 1e6,
      ),
      rssMegabytes: Math.round(rss / 1e6),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Greedy steps of all windows; throws where a probability is not a number. */
async function decode(model: WhisperModel): Promise<void> {
  let ids = BigInt64Array.from({ length: WINDOWS }, () => 1n);
  for (let step = 0; step < STEPS; step++) {
    const pastMask = new Float32Array(WINDOWS * model.cachePositions).fill(HIDDEN);
    for (let window = 0; window < WINDOWS; window++) {
      pastMask.fill(0, window * model.cachePositions, window * model.cachePositions + step);
    }
    const answer = await model.decode({
      from: 0,
      count: WINDOWS,
      ids,
      positions: BigInt64Array.from({ length: WINDOWS }, () => BigInt(step)),
      pastMask,
      newMask: new Float32Array(WINDOWS),
      pick: [0],
      begin: false,
      top: 1,
      probe: false,
      align: true,
    });
    if (!answer.logProbabilities.every(Number.isFinite)) throw new Error(`step ${step}: not a number`);
    for (let window = 0; window < WINDOWS; window++) {
      model.remember(answer, { window, token: 0, n: 1, slot: window, position: step });
    }
    ids = answer.tokens.slice();
  }
}

/** Weights of the size that training leaves: small around zero, norms around one. */
function randomWeights(shape: WhisperShape): WeightSource {
  const { width, mels, vocabulary } = shape;
  const dims = (name: string): number[] => {
    if (name === 'encoder/conv1/weight') return [width, mels, 3];
    if (name === 'encoder/conv2/weight') return [width, width, 3];
    if (name === 'encoder/position_encodings/encodings') return [1500, width];
    if (name === 'decoder/position_encodings/encodings') return [448, width];
    if (name === 'decoder/embeddings/weight' || name === 'decoder/projection/weight') return [vocabulary, width];
    const outputs = outputsOf(name, width);
    return name.endsWith('/weight') ? [outputs, name.includes('ffn/linear_1') ? 4 * width : width] : [outputs];
  };
  return {
    names: () => [],
    has: (name) => name !== 'decoder/projection/bias',
    dims,
    dtype: (): WeightDtype => 'float32',
    read: (name) => {
      const shapeOf = dims(name);
      const count = shapeOf.reduce((product, dim) => product * dim, 1);
      const data = new Float32Array(count);
      let state = name.length * 2_654_435_761;
      for (let i = 0; i < count; i++) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        data[i] = (state / 2 ** 31 - 1) * 0.03 + (name.endsWith('gamma') ? 1 : 0);
      }
      return { dims: shapeOf, data };
    },
    raw: () => new Uint8Array(0),
    close: () => undefined,
  };
}

function outputsOf(name: string, width: number): number {
  if (name.includes('self_attention/linear_0')) return 3 * width;
  if (name.includes('/attention/linear_1')) return 2 * width;
  if (name.includes('ffn/linear_0')) return 4 * width;
  return width;
}

async function timed<T>(work: () => T | Promise<T>): Promise<[seconds: number, result: T]> {
  const started = performance.now();
  const result = await work();
  return [(performance.now() - started) / 1000, result];
}
