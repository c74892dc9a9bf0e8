import { type InferenceSession, Tensor } from '../../../inference/session.ts';
import { type CrossTensor, crossTensors } from '../graphs/cross-attention.ts';
import { ENCODER_INPUT_SAMPLES } from '../graphs/encoder.ts';
import type { Precision } from '../graphs/layers.ts';
import { CHUNK_FRAMES, CHUNK_SAMPLES, HEAD_WIDTH, type WhisperShape } from '../graphs/shape.ts';
import type { EncoderSessions } from './encoder-sessions.ts';

const FFT_PADDING = (ENCODER_INPUT_SAMPLES - CHUNK_SAMPLES) / 2;
const MEL_HOP_SAMPLES = 160;
const FIRST_CACHE_POSITIONS = 64;
const MORE_CACHE_POSITIONS = 64;

/** What the decoder is asked for, for `count` windows from slot `from` on, `tokensPerWindow` = n tokens each. */
export interface DecoderCall {
  readonly from: number;
  readonly count: number;
  /** [count, n] */
  readonly ids: BigInt64Array;
  /** [count, n] */
  readonly positions: BigInt64Array;
  /** [count, n, cachePositions]; 0 where a token may look, {@link HIDDEN} where not. */
  readonly pastMask: Float32Array;
  /** [count, n, n] */
  readonly newMask: Float32Array;
  /** Places along n to predict from, [k]. */
  readonly pick: readonly number[];
  /** A text begins here: some tokens cannot come. */
  readonly begin: boolean;
  readonly top: number;
  readonly probe: boolean;
  readonly align: boolean;
}

export interface DecoderAnswer {
  /** [count, k, top], descending. */
  readonly logProbabilities: Float32Array;
  /** [count, k, top] */
  readonly tokens: BigInt64Array;
  /** [count, k, probed tokens], empty unless asked for. */
  readonly probed: Float32Array;
  /** [count, alignment heads, n, attentionPositions], empty unless asked for. */
  readonly attention: Float32Array;
  /** Positions of one attention row. */
  readonly attentionPositions: number;
  /** By layer, [count, heads, n, 64]. */
  readonly newKeys: readonly Float32Array[];
  readonly newValues: readonly Float32Array[];
}

/** A mask value no score survives. */
export const HIDDEN = -1e9;

/**
 * A Whisper model with room for some windows: their cross-attention tensors and their caches of keys and values, in
 * slots. Not re-entrant: one call at a time.
 */
export class WhisperModel {
  readonly shape: WhisperShape;
  /** Slots for windows. */
  readonly capacity: number;
  readonly #encoder: EncoderSessions;
  readonly #decoder: InferenceSession;
  readonly #cross: readonly CrossStore[];
  readonly #samples = new Float32Array(ENCODER_INPUT_SAMPLES);
  #keys: Float32Array[] = [];
  #values: Float32Array[] = [];
  #cachePositions = FIRST_CACHE_POSITIONS;

  constructor(options: {
    encoder: EncoderSessions;
    decoder: InferenceSession;
    shape: WhisperShape;
    precision: Precision;
    capacity: number;
  }) {
    this.#encoder = options.encoder;
    this.#decoder = options.decoder;
    this.shape = options.shape;
    this.capacity = options.capacity;
    this.#cross = crossTensors(options.shape, options.precision).map((tensor) => newStore(tensor, options.capacity));
    this.#allocateCache();
  }

  /** Positions that the cache of every slot holds. */
  get cachePositions(): number {
    return this.#cachePositions;
  }

  /**
   * Encodes up to 30 s of audio ([-1, 1) at 16 kHz) into a slot; with every thread where no other window is to be encoded.
   */
  async encode(slot: number, audio: Float32Array, alone = false): Promise<void> {
    const encoder = await this.#encoder.session(alone);
    const padded = this.#samples.fill(0);
    padded.set(audio, FFT_PADDING);
    // The reference mirrors the first samples before its first Fourier window.
    for (let i = 1; i <= FFT_PADDING; i++) padded[FFT_PADDING - i] = audio[i] ?? 0;
    const frames = Math.min(CHUNK_FRAMES, Math.floor(audio.length / MEL_HOP_SAMPLES));
    const outputs = await encoder.run({
      samples: new Tensor('float32', padded, [1, 1, ENCODER_INPUT_SAMPLES]),
      frames: new Tensor('float32', Float32Array.of(frames), [1]),
    });
    for (const store of this.#cross) {
      store.data.set(outputs[store.tensor.name]!.data as Float32Array, slot * store.size);
    }
  }

  /** Runs the decoder once. */
  async decode(call: DecoderCall): Promise<DecoderAnswer> {
    const { from, count } = call;
    const n = call.ids.length / count;
    const { heads, decoderLayers } = this.shape;
    const positions = this.#cachePositions;
    const feeds: Record<string, Tensor> = {
      ids: new Tensor('int64', call.ids, [count, n]),
      positions: new Tensor('int64', call.positions, [count, n]),
      past_mask: new Tensor('float32', call.pastMask, [count, 1, n, positions]),
      new_mask: new Tensor('float32', call.newMask, [count, 1, n, n]),
      pick: new Tensor('int64', BigInt64Array.from(call.pick, BigInt), [call.pick.length]),
      begin: new Tensor('bool', [call.begin], []),
      top: new Tensor('int64', BigInt64Array.of(BigInt(call.top)), [1]),
      probe: new Tensor('bool', [call.probe], []),
      align: new Tensor('bool', [call.align], []),
    };
    for (const { tensor, data, size } of this.#cross) {
      const view = data.subarray(from * size, (from + count) * size);
      const dims = [count, ...tensor.dims];
      feeds[tensor.name] =
        view instanceof Int8Array ? new Tensor('int8', view, dims) : new Tensor('float32', view, dims);
    }
    const cacheSize = heads * HEAD_WIDTH * positions;
    const cached = (store: Float32Array) => store.subarray(from * cacheSize, (from + count) * cacheSize);
    for (let layer = 0; layer < decoderLayers; layer++) {
      feeds[`past_key_${layer}`] = new Tensor('float32', cached(this.#keys[layer]!), [
        count,
        heads,
        HEAD_WIDTH,
        positions,
      ]);
      feeds[`past_value_${layer}`] = new Tensor('float32', cached(this.#values[layer]!), [
        count,
        heads,
        positions,
        HEAD_WIDTH,
      ]);
    }
    const outputs = await this.#decoder.run(feeds);
    const floats = (name: string) => outputs[name]!.data as Float32Array;
    return {
      logProbabilities: floats('log_probabilities'),
      tokens: outputs.tokens!.data as BigInt64Array,
      probed: floats('probed'),
      attention: floats('attention'),
      attentionPositions: outputs.attention!.dims[3] ?? 0,
      newKeys: Array.from({ length: decoderLayers }, (_, layer) => floats(`new_key_${layer}`)),
      newValues: Array.from({ length: decoderLayers }, (_, layer) => floats(`new_value_${layer}`)),
    };
  }

  /**
   * Writes the keys and values of one token of an answer into a slot's cache.
   * `window` and `token` count within the answer, of whose windows every one had `n` tokens.
   */
  remember(
    answer: DecoderAnswer,
    at: { window: number; token: number; n: number; slot: number; position: number },
  ): void {
    const { heads, decoderLayers } = this.shape;
    const positions = this.#cachePositions;
    for (let layer = 0; layer < decoderLayers; layer++) {
      const newKeys = answer.newKeys[layer]!;
      const newValues = answer.newValues[layer]!;
      const keys = this.#keys[layer]!;
      const values = this.#values[layer]!;
      for (let head = 0; head < heads; head++) {
        const source = ((at.window * heads + head) * at.n + at.token) * HEAD_WIDTH;
        const block = (at.slot * heads + head) * HEAD_WIDTH * positions;
        for (let channel = 0; channel < HEAD_WIDTH; channel++) {
          keys[block + channel * positions + at.position] = newKeys[source + channel]!;
        }
        values.set(newValues.subarray(source, source + HEAD_WIDTH), block + at.position * HEAD_WIDTH);
      }
    }
  }

  /** Moves a window to another slot. */
  move(from: number, to: number): void {
    for (const { data, size } of this.#cross) data.copyWithin(to * size, from * size, (from + 1) * size);
    const size = this.shape.heads * HEAD_WIDTH * this.#cachePositions;
    for (const store of [...this.#keys, ...this.#values]) store.copyWithin(to * size, from * size, (from + 1) * size);
  }

  /** Lengthens the cache of every slot. What it is longer than the texts need, every step multiplies in vain. */
  growCache(): void {
    const { heads } = this.shape;
    const before = this.#cachePositions;
    const [oldKeys, oldValues] = [this.#keys, this.#values];
    this.#cachePositions = before + MORE_CACHE_POSITIONS;
    this.#allocateCache();
    const after = this.#cachePositions;
    for (let layer = 0; layer < oldKeys.length; layer++) {
      for (let line = 0; line < this.capacity * heads * HEAD_WIDTH; line++) {
        this.#keys[layer]!.set(oldKeys[layer]!.subarray(line * before, (line + 1) * before), line * after);
      }
      for (let head = 0; head < this.capacity * heads; head++) {
        const part = oldValues[layer]!.subarray(head * before * HEAD_WIDTH, (head + 1) * before * HEAD_WIDTH);
        this.#values[layer]!.set(part, head * after * HEAD_WIDTH);
      }
    }
  }

  /** Gives back a cache that long texts made grow; only while no slot is in use. */
  shrinkCache(): void {
    if (this.#cachePositions === FIRST_CACHE_POSITIONS) return;
    this.#cachePositions = FIRST_CACHE_POSITIONS;
    this.#allocateCache();
  }

  async release(): Promise<void> {
    await this.#encoder.release();
    await this.#decoder.release();
  }

  #allocateCache(): void {
    const { heads, decoderLayers } = this.shape;
    const size = this.capacity * heads * HEAD_WIDTH * this.#cachePositions;
    this.#keys = Array.from({ length: decoderLayers }, () => new Float32Array(size));
    this.#values = Array.from({ length: decoderLayers }, () => new Float32Array(size));
  }
}

interface CrossStore {
  readonly tensor: CrossTensor;
  /** Elements of one window. */
  readonly size: number;
  readonly data: Int8Array | Float32Array;
}

function newStore(tensor: CrossTensor, capacity: number): CrossStore {
  const size = tensor.dims.reduce((product, dim) => product * dim, 1);
  const data = tensor.type === 'int8' ? new Int8Array(capacity * size) : new Float32Array(capacity * size);
  return { tensor, size, data };
}
