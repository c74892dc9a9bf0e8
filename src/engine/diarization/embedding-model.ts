import { FBANK_BINS } from '../../audio/fbank.ts';
import { type InferenceSession, Tensor } from '../../inference/session.ts';
import { EMBEDDING_INPUT, EMBEDDING_OUTPUT, EMBEDDING_SIZE, MAX_EMBEDDING_FRAMES } from './embedding-graph.ts';

/** CAM++ over batches of items of equal length. */
export class EmbeddingModel {
  readonly #session: InferenceSession;

  /** `session` runs a graph of `writeEmbeddingGraph`. */
  constructor(session: InferenceSession) {
    this.#session = session;
  }

  /**
   * Speaker embeddings, `Float32Array` [batch, 192], not normalised, of `features`, [batch, frames, 80]: Kaldi fbank with
   * each item's own mean removed. `frames` is 2 to 200.
   */
  async run(features: Float32Array, batch: number, frames: number): Promise<Float32Array> {
    if (features.length !== batch * frames * FBANK_BINS || frames < 2 || frames > MAX_EMBEDDING_FRAMES) {
      throw new RangeError(`embedding: ${features.length} numbers are not ${batch} items of ${frames} frames`);
    }
    const input = new Tensor('float32', features, [batch, frames, FBANK_BINS]);
    const output = (await this.#session.run({ [EMBEDDING_INPUT]: input }))[EMBEDDING_OUTPUT];
    const embeddings = output?.data;
    if (!(embeddings instanceof Float32Array) || embeddings.length !== batch * EMBEDDING_SIZE) {
      throw new Error('embedding: the graph gave no embeddings');
    }
    return embeddings;
  }
}
