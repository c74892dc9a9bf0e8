import { type InferenceSession, Tensor } from '../session.ts';
import { WINDOW_FRAMES, WINDOW_SAMPLES } from './geometry.ts';
import { SEGMENTATION_INPUT, SEGMENTATION_OUTPUT } from './graph.ts';

/** segmentation-3.0 over batches of 10 s windows. */
export class SegmentationModel {
  readonly #session: InferenceSession;

  /** `session` runs a graph of `writeSegmentationGraph`. */
  constructor(session: InferenceSession) {
    this.#session = session;
  }

  /**
   * Powerset class of every frame, `Uint8Array` [batch * 589], of `windows`, [batch, 160000] mono 16 kHz in [-1, 1].
   * Windows beyond the end of a recording are padded with zeros by the caller.
   */
  async run(windows: Float32Array, batch: number): Promise<Uint8Array> {
    if (windows.length !== batch * WINDOW_SAMPLES) {
      throw new RangeError(`segmentation: ${windows.length} samples are not ${batch} windows of ${WINDOW_SAMPLES}`);
    }
    const input = new Tensor('float32', windows, [batch, WINDOW_SAMPLES]);
    const output = (await this.#session.run({ [SEGMENTATION_INPUT]: input }))[SEGMENTATION_OUTPUT];
    const classes = output?.data;
    if (!(classes instanceof Uint8Array) || classes.length !== batch * WINDOW_FRAMES) {
      throw new Error('segmentation: the graph gave no classes');
    }
    return classes;
  }
}
