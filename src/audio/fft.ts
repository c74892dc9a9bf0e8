/**
 * Complex fast Fourier transform of a fixed size (a product of 4, 2 and 5), Stockham autosort, with precomputed twiddle
 * factors. One instance owns its work buffers: use one per thread of work, and read the result before the next call.
 *
 * Algorithm: C. Van Loan, Computational Frameworks for the Fast Fourier Transform, 1992, section 1.7.
 */
export class ComplexFft {
  readonly size: number;
  /** Input; after {@link transform} its content is undefined. */
  readonly inputRe: Float64Array;
  readonly inputIm: Float64Array;
  /** Result of the last {@link transform}. */
  outputRe: Float64Array;
  outputIm: Float64Array;
  readonly #spareRe: Float64Array;
  readonly #spareIm: Float64Array;
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;
  readonly #radices: readonly number[];

  constructor(size: number) {
    this.size = size;
    this.#radices = factor(size);
    this.inputRe = new Float64Array(size);
    this.inputIm = new Float64Array(size);
    this.#spareRe = new Float64Array(size);
    this.#spareIm = new Float64Array(size);
    this.outputRe = this.inputRe;
    this.outputIm = this.inputIm;
    this.#cos = new Float64Array(size);
    this.#sin = new Float64Array(size);
    for (let k = 0; k < size; k++) {
      this.#cos[k] = Math.cos((2 * Math.PI * k) / size);
      this.#sin[k] = -Math.sin((2 * Math.PI * k) / size);
    }
  }

  /** X[k] = sum over n of x[n] exp(-2 pi i n k / size), from `input*` to `output*`. */
  transform(): void {
    let fromRe = this.inputRe;
    let fromIm = this.inputIm;
    let toRe = this.#spareRe;
    let toIm = this.#spareIm;
    let remaining = this.size;
    let stride = 1;
    for (const radix of this.#radices) {
      remaining /= radix;
      if (radix === 4) pass4(fromRe, fromIm, toRe, toIm, remaining, stride, this.#cos, this.#sin);
      else if (radix === 2) pass2(fromRe, fromIm, toRe, toIm, remaining, stride, this.#cos, this.#sin);
      else pass5(fromRe, fromIm, toRe, toIm, remaining, stride, this.#cos, this.#sin);
      stride *= radix;
      [fromRe, toRe] = [toRe, fromRe];
      [fromIm, toIm] = [toIm, fromIm];
    }
    this.outputRe = fromRe;
    this.outputIm = fromIm;
  }
}

/**
 * Power spectrum of real frames of an even size: packs the frame into a complex transform of half the size.
 */
export class PowerSpectrum {
  readonly size: number;
  /** |X[k]|^2 for k = 0 … size/2, of the last {@link compute}. */
  readonly power: Float64Array;
  readonly #fft: ComplexFft;
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;

  constructor(size: number) {
    this.size = size;
    const half = size / 2;
    this.#fft = new ComplexFft(half);
    this.power = new Float64Array(half + 1);
    this.#cos = new Float64Array(half + 1);
    this.#sin = new Float64Array(half + 1);
    for (let k = 0; k <= half; k++) {
      this.#cos[k] = Math.cos((2 * Math.PI * k) / size);
      this.#sin[k] = -Math.sin((2 * Math.PI * k) / size);
    }
  }

  /** `frame` holds at least `size` values, already windowed. */
  compute(frame: Float64Array): Float64Array {
    const { inputRe, inputIm } = this.#fft;
    const half = this.size / 2;
    for (let i = 0, j = 0; i < half; i++, j += 2) {
      inputRe[i] = frame[j]!;
      inputIm[i] = frame[j + 1]!;
    }
    this.#fft.transform();
    const re = this.#fft.outputRe;
    const im = this.#fft.outputIm;
    const { power } = this;
    const cos = this.#cos;
    const sin = this.#sin;
    const sum0 = re[0]! + im[0]!;
    const difference0 = re[0]! - im[0]!;
    power[0] = sum0 * sum0;
    power[half] = difference0 * difference0;
    // X[k] = even + w^k odd and conj(X[half-k]) = even - w^k odd share their terms, so both come from one evaluation.
    for (let k = 1, m = half - 1; k <= m; k++, m--) {
      const evenRe = (re[k]! + re[m]!) * 0.5;
      const evenIm = (im[k]! - im[m]!) * 0.5;
      const oddRe = (im[k]! + im[m]!) * 0.5;
      const oddIm = (re[m]! - re[k]!) * 0.5;
      const turnedRe = oddRe * cos[k]! - oddIm * sin[k]!;
      const turnedIm = oddRe * sin[k]! + oddIm * cos[k]!;
      const lowRe = evenRe + turnedRe;
      const lowIm = evenIm + turnedIm;
      const highRe = evenRe - turnedRe;
      const highIm = evenIm - turnedIm;
      power[k] = lowRe * lowRe + lowIm * lowIm;
      power[m] = highRe * highRe + highIm * highIm;
    }
    return power;
  }
}

function factor(size: number): number[] {
  const radices: number[] = [];
  let rest = size;
  for (const radix of [4, 2, 5]) {
    while (rest % radix === 0) {
      radices.push(radix);
      rest /= radix;
    }
  }
  if (rest !== 1 || size < 2) throw new RangeError(`FFT size ${size} is not a product of 2, 4 and 5`);
  return radices;
}

type Pass = (
  fromRe: Float64Array,
  fromIm: Float64Array,
  toRe: Float64Array,
  toIm: Float64Array,
  groups: number,
  stride: number,
  cos: Float64Array,
  sin: Float64Array,
) => void;

const pass4: Pass = (fromRe, fromIm, toRe, toIm, groups, stride, cos, sin) => {
  const step = stride * groups;
  for (let j = 0; j < groups; j++) {
    const turn = j * stride;
    const c1 = cos[turn]!;
    const s1 = sin[turn]!;
    const c2 = cos[2 * turn]!;
    const s2 = sin[2 * turn]!;
    const c3 = cos[3 * turn]!;
    const s3 = sin[3 * turn]!;
    for (let k = 0; k < stride; k++) {
      const at = k + turn;
      const re0 = fromRe[at]!;
      const im0 = fromIm[at]!;
      const re1 = fromRe[at + step]!;
      const im1 = fromIm[at + step]!;
      const re2 = fromRe[at + 2 * step]!;
      const im2 = fromIm[at + 2 * step]!;
      const re3 = fromRe[at + 3 * step]!;
      const im3 = fromIm[at + 3 * step]!;
      const sum02Re = re0 + re2;
      const sum02Im = im0 + im2;
      const diff02Re = re0 - re2;
      const diff02Im = im0 - im2;
      const sum13Re = re1 + re3;
      const sum13Im = im1 + im3;
      const diff13Re = im1 - im3;
      const diff13Im = re3 - re1;
      const to = k + 4 * turn;
      toRe[to] = sum02Re + sum13Re;
      toIm[to] = sum02Im + sum13Im;
      let re = diff02Re + diff13Re;
      let im = diff02Im + diff13Im;
      toRe[to + stride] = re * c1 - im * s1;
      toIm[to + stride] = re * s1 + im * c1;
      re = sum02Re - sum13Re;
      im = sum02Im - sum13Im;
      toRe[to + 2 * stride] = re * c2 - im * s2;
      toIm[to + 2 * stride] = re * s2 + im * c2;
      re = diff02Re - diff13Re;
      im = diff02Im - diff13Im;
      toRe[to + 3 * stride] = re * c3 - im * s3;
      toIm[to + 3 * stride] = re * s3 + im * c3;
    }
  }
};

const pass2: Pass = (fromRe, fromIm, toRe, toIm, groups, stride, cos, sin) => {
  const step = stride * groups;
  for (let j = 0; j < groups; j++) {
    const turn = j * stride;
    const c = cos[turn]!;
    const s = sin[turn]!;
    for (let k = 0; k < stride; k++) {
      const at = k + turn;
      const re = fromRe[at]! - fromRe[at + step]!;
      const im = fromIm[at]! - fromIm[at + step]!;
      const to = k + 2 * turn;
      toRe[to] = fromRe[at]! + fromRe[at + step]!;
      toIm[to] = fromIm[at]! + fromIm[at + step]!;
      toRe[to + stride] = re * c - im * s;
      toIm[to + stride] = re * s + im * c;
    }
  }
};

const COS_72 = Math.cos((2 * Math.PI) / 5);
const COS_144 = Math.cos((4 * Math.PI) / 5);
const SIN_72 = -Math.sin((2 * Math.PI) / 5);
const SIN_144 = -Math.sin((4 * Math.PI) / 5);

const pass5: Pass = (fromRe, fromIm, toRe, toIm, groups, stride, cos, sin) => {
  const step = stride * groups;
  const size = cos.length;
  for (let j = 0; j < groups; j++) {
    const turn = j * stride;
    for (let k = 0; k < stride; k++) {
      const at = k + turn;
      const re0 = fromRe[at]!;
      const im0 = fromIm[at]!;
      const sum14Re = fromRe[at + step]! + fromRe[at + 4 * step]!;
      const sum14Im = fromIm[at + step]! + fromIm[at + 4 * step]!;
      const diff14Re = fromRe[at + step]! - fromRe[at + 4 * step]!;
      const diff14Im = fromIm[at + step]! - fromIm[at + 4 * step]!;
      const sum23Re = fromRe[at + 2 * step]! + fromRe[at + 3 * step]!;
      const sum23Im = fromIm[at + 2 * step]! + fromIm[at + 3 * step]!;
      const diff23Re = fromRe[at + 2 * step]! - fromRe[at + 3 * step]!;
      const diff23Im = fromIm[at + 2 * step]! - fromIm[at + 3 * step]!;
      const a1Re = re0 + COS_72 * sum14Re + COS_144 * sum23Re;
      const a1Im = im0 + COS_72 * sum14Im + COS_144 * sum23Im;
      const a2Re = re0 + COS_144 * sum14Re + COS_72 * sum23Re;
      const a2Im = im0 + COS_144 * sum14Im + COS_72 * sum23Im;
      const b1Re = SIN_72 * diff14Re + SIN_144 * diff23Re;
      const b1Im = SIN_72 * diff14Im + SIN_144 * diff23Im;
      const b2Re = SIN_144 * diff14Re - SIN_72 * diff23Re;
      const b2Im = SIN_144 * diff14Im - SIN_72 * diff23Im;
      const to = k + 5 * turn;
      toRe[to] = re0 + sum14Re + sum23Re;
      toIm[to] = im0 + sum14Im + sum23Im;
      for (let q = 1; q < 5; q++) {
        const outer = q === 1 || q === 4;
        const sign = q < 3 ? 1 : -1;
        const re = (outer ? a1Re : a2Re) - sign * (outer ? b1Im : b2Im);
        const im = (outer ? a1Im : a2Im) + sign * (outer ? b1Re : b2Re);
        const c = cos[(q * turn) % size]!;
        const s = sin[(q * turn) % size]!;
        toRe[to + q * stride] = re * c - im * s;
        toIm[to + q * stride] = re * s + im * c;
      }
    }
  }
};
