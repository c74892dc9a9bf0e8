/** Seconds of one block; weights change linearly over a block, so that no step is heard. */
const BLOCK_SECONDS = 0.1;
/** Seconds over which channels are compared; louder stretches weigh more. */
const MEMORY_SECONDS = 3;
/** A channel that correlates with the loudest one below this is wired with the opposite polarity … */
const INVERTED_BELOW = -0.5;
/** … until it correlates above this again. */
const UPRIGHT_ABOVE = 0;
/** Limit of the make-up gain where channels partly cancel each other. */
const MAX_GAIN = 2;

/**
 * Streams any number of channels into one, measuring them as it goes, because the usual mean loses speech in two cases: a
 * voice on one of N channels comes out N times quieter, and a pair wired out of phase cancels to nothing.
 *
 * Channels are summed, those of opposite polarity inverted, and the sum is scaled so that it is as loud as the loudest
 * channel: equal channels give their mean, one channel that speaks alone keeps its level, two independent voices are
 * lowered by 3 dB each. All channels take part; none is judged to be silent or unimportant.
 */
export class Downmixer {
  readonly #channels: number;
  readonly #blockFrames: number;
  readonly #pending: Float32Array;
  #pendingFrames = 0;
  readonly #covariance: Float64Array;
  readonly #decay: number;
  readonly #signs: Int8Array;
  readonly #weights: Float64Array;
  #started = false;

  constructor(channels: number, sampleRate: number) {
    this.#channels = channels;
    this.#blockFrames = Math.max(1, Math.round(sampleRate * BLOCK_SECONDS));
    this.#pending = new Float32Array(this.#blockFrames * channels);
    this.#covariance = new Float64Array(channels * channels);
    this.#decay = Math.exp(-BLOCK_SECONDS / MEMORY_SECONDS);
    this.#signs = new Int8Array(channels).fill(1);
    this.#weights = new Float64Array(channels);
  }

  /** `interleaved` holds whole frames of all channels. Returns the mix of the blocks completed by it, in the same scale. */
  push(interleaved: Float32Array | Int16Array): Float32Array {
    const channels = this.#channels;
    const frames = interleaved.length / channels;
    const mixed = new Float32Array(Math.floor((this.#pendingFrames + frames) / this.#blockFrames) * this.#blockFrames);
    let written = 0;
    for (let frame = 0; frame < frames; ) {
      const take = Math.min(frames - frame, this.#blockFrames - this.#pendingFrames);
      this.#pending.set(
        interleaved.subarray(frame * channels, (frame + take) * channels),
        this.#pendingFrames * channels,
      );
      this.#pendingFrames += take;
      frame += take;
      if (this.#pendingFrames === this.#blockFrames) {
        this.#mixBlock(this.#blockFrames, mixed.subarray(written, written + this.#blockFrames));
        written += this.#blockFrames;
        this.#pendingFrames = 0;
      }
    }
    return mixed;
  }

  /** The mix of what is left at the end. */
  flush(): Float32Array {
    const mixed = new Float32Array(this.#pendingFrames);
    this.#mixBlock(this.#pendingFrames, mixed);
    this.#pendingFrames = 0;
    return mixed;
  }

  #mixBlock(frames: number, target: Float32Array): void {
    if (frames === 0) return;
    this.#measure(frames);
    const channels = this.#channels;
    const samples = this.#pending;
    const goal = this.#chooseWeights();
    for (let c = 0; c < channels; c++) {
      const from = this.#started ? this.#weights[c]! : goal[c]!;
      const step = (goal[c]! - from) / frames;
      for (let i = 0, at = c; i < frames; i++, at += channels) target[i]! += samples[at]! * (from + step * (i + 1));
    }
    this.#weights.set(goal);
    this.#started = true;
  }

  #measure(frames: number): void {
    const channels = this.#channels;
    const covariance = this.#covariance;
    const samples = this.#pending;
    const end = frames * channels;
    // Every n-th frame of n channels is enough to compare them, which keeps the cost linear in their number.
    const step = channels * channels;
    for (let a = 0; a < channels; a++) {
      for (let b = 0; b <= a; b++) {
        let sum = 0;
        for (let at = 0; at < end; at += step) sum += samples[at + a]! * samples[at + b]!;
        const pair = a * channels + b;
        covariance[pair] = covariance[pair]! * this.#decay + sum;
      }
    }
  }

  #covarianceOf(a: number, b: number): number {
    return a >= b ? this.#covariance[a * this.#channels + b]! : this.#covariance[b * this.#channels + a]!;
  }

  #chooseWeights(): Float64Array {
    const channels = this.#channels;
    const signs = this.#signs;
    let loudest = 0;
    for (let c = 1; c < channels; c++) {
      if (this.#covarianceOf(c, c) > this.#covarianceOf(loudest, loudest)) loudest = c;
    }
    const peak = this.#covarianceOf(loudest, loudest);
    for (let c = 0; c < channels; c++) {
      const scale = Math.sqrt(peak * this.#covarianceOf(c, c));
      if (c === loudest || scale === 0) continue;
      const correlation = this.#covarianceOf(c, loudest) / scale;
      if (correlation < INVERTED_BELOW) signs[c] = -signs[loudest]!;
      else if (correlation > UPRIGHT_ABOVE) signs[c] = signs[loudest]!;
    }
    let power = 0;
    for (let a = 0; a < channels; a++) {
      for (let b = 0; b < channels; b++) power += signs[a]! * signs[b]! * this.#covarianceOf(a, b);
    }
    const gain =
      peak === 0 ? 1 / channels : Math.min(MAX_GAIN, Math.sqrt(peak / Math.max(power, peak / MAX_GAIN ** 2)));
    return Float64Array.from(signs, (sign) => sign * gain);
  }
}

/** Rounds to 16 bit; what is out of range is clipped. `scale` is the value of full scale in `samples`. */
export function toInt16(samples: Float32Array, scale: number): Int16Array {
  const result = new Int16Array(samples.length);
  const factor = 32_768 / scale;
  for (let i = 0; i < samples.length; i++) {
    const value = Math.round(samples[i]! * factor);
    result[i] = value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value;
  }
  return result;
}
