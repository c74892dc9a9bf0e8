/** Zero crossings of the sinc on each side, at the lower of both rates. */
const ZERO_CROSSINGS = 24;
/** Shape of the Kaiser window: about 80 dB of stop band. */
const KAISER_BETA = 8;
/** Pass band up to this share of the lower Nyquist frequency. */
const ROLL_OFF = 0.945;

/**
 * Streams samples from one rate to another by a windowed sinc, one filter a phase of the rates' ratio. Output sample n
 * stands at input time n * from / to, without delay.
 *
 * Source: J. O. Smith, Digital Audio Resampling, 2002.
 */
export class Resampler {
  readonly #up: number;
  readonly #down: number;
  readonly #half: number;
  readonly #filters: Float32Array[];
  /** Input from sample `#origin` on, whose first `#half` samples are history. */
  #buffer: Float32Array;
  #origin: number;
  #received = 0;
  #produced = 0;

  constructor(fromRate: number, toRate: number) {
    const divisor = greatestCommonDivisor(fromRate, toRate);
    this.#up = toRate / divisor;
    this.#down = fromRate / divisor;
    const cutoff = ROLL_OFF * Math.min(1, toRate / fromRate);
    this.#half = Math.ceil(ZERO_CROSSINGS / Math.min(1, toRate / fromRate));
    this.#filters = Array.from({ length: this.#up }, (_, phase) => phaseFilter(phase / this.#up, this.#half, cutoff));
    this.#buffer = new Float32Array(this.#half);
    this.#origin = -this.#half;
  }

  push(input: Float32Array): Float32Array {
    this.#received += input.length;
    const joined = new Float32Array(this.#buffer.length + input.length);
    joined.set(this.#buffer);
    joined.set(input, this.#buffer.length);
    const available = this.#origin + joined.length;
    // Output n reads input up to floor(n down / up) + half.
    const until = Math.max(this.#produced, Math.ceil(((available - this.#half) * this.#up) / this.#down));
    const output = this.#produce(joined, until);
    const keepFrom = Math.floor((this.#produced * this.#down) / this.#up) - this.#half + 1;
    const drop = Math.max(0, Math.min(joined.length, keepFrom - this.#origin));
    this.#buffer = joined.slice(drop);
    this.#origin += drop;
    return output;
  }

  /** What is left at the end; in all ceil(received * to / from) samples come out. */
  flush(): Float32Array {
    const joined = new Float32Array(this.#buffer.length + this.#half + 1);
    joined.set(this.#buffer);
    return this.#produce(joined, Math.ceil((this.#received * this.#up) / this.#down));
  }

  #produce(input: Float32Array, until: number): Float32Array {
    const output = new Float32Array(until - this.#produced);
    const taps = 2 * this.#half;
    for (let i = 0; i < output.length; i++) {
      const position = this.#produced + i;
      const scaled = position * this.#down;
      const filter = this.#filters[scaled % this.#up]!;
      const first = Math.floor(scaled / this.#up) - this.#half + 1 - this.#origin;
      let sum = 0;
      for (let k = 0; k < taps; k++) sum += filter[k]! * input[first + k]!;
      output[i] = sum;
    }
    this.#produced = until;
    return output;
  }
}

/** Taps for input offsets 1 - half … half around an output that lies `fraction` of a sample after an input sample. */
function phaseFilter(fraction: number, half: number, cutoff: number): Float32Array {
  const taps = new Float32Array(2 * half);
  let sum = 0;
  for (let k = 0; k < taps.length; k++) {
    const distance = k + 1 - half - fraction;
    const x = Math.PI * cutoff * distance;
    const sinc = x === 0 ? 1 : Math.sin(x) / x;
    const shape = Math.max(0, 1 - (distance / half) ** 2);
    taps[k] = sinc * besselI0(KAISER_BETA * Math.sqrt(shape));
    sum += taps[k]!;
  }
  // Every phase has unit gain at 0 Hz, else a constant level would come out as a tone.
  return taps.map((tap) => tap / sum);
}

function besselI0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
