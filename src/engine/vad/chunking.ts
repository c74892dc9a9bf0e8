import { SAMPLE_RATE, type Seconds } from '../../core/units.ts';
import type { SpeechRegion } from './speech-regions.ts';

/** A stretch of the recording, end exclusive, in samples. */
export interface ChunkPiece {
  readonly startSample: number;
  readonly endSample: number;
}

/** What the recogniser hears at once: pieces of the recording, in order, one behind the other. */
export interface Chunk {
  readonly pieces: readonly ChunkPiece[];
  /** Sum of the pieces' lengths, at most 30 s. */
  readonly samples: number;
}

export interface ChunkingOptions {
  readonly maxSeconds?: Seconds;
  /** Kept before and after speech where nothing else stands there, so that soft first and last sounds survive. */
  readonly padSeconds?: Seconds;
  /**
   * Where a run of speech has to be cut without a pause: the sample in `startSample … endSample` where it is quietest. The
   * end of that range is taken where this is absent.
   */
  readonly quietest?: (startSample: number, endSample: number) => number;
}

/** The encoder of Whisper sees 30 s at a time. */
const MAX_SECONDS = 30;
const PAD_SECONDS = 0.2;
/** A chunk is closed at the best pause among those that leave it at least this full … */
const FULL_ENOUGH = 0.85;
/** … and a run of speech is cut inside rather than leave a chunk less full than this. */
const TOO_EMPTY = 0.5;
/** A pause of this length counts as a sentence end; longer ones are no better to cut at. */
const GOOD_PAUSE_SECONDS = 0.6;
/** Worth of a full good pause, in the share of a chunk that may stay empty for it. */
const PAUSE_WORTH = 0.25;
/** A cut without a pause is looked for in the last part of what fits. */
const CUT_SEARCH_SECONDS = 6;

/**
 * Packs speech regions into chunks of at most 30 s as they come. The encoder costs the same for any chunk, so chunks are
 * filled; they end at pauses, the longer the better. Silence between regions is kept up to twice the padding and dropped
 * beyond. Every sample of every region lies in exactly one piece of one chunk.
 */
export class ChunkPacker {
  readonly #max: number;
  readonly #pad: number;
  readonly #quietest: (startSample: number, endSample: number) => number;
  /** Regions of the chunk that is being filled, and room before the first and after the last of them. */
  #runs: SpeechRegion[] = [];
  #lead = 0;
  /** Everything before this sample is behind us. */
  #settledUntil = 0;

  constructor(options: ChunkingOptions = {}) {
    this.#max = Math.floor((options.maxSeconds ?? MAX_SECONDS) * SAMPLE_RATE);
    this.#pad = Math.round((options.padSeconds ?? PAD_SECONDS) * SAMPLE_RATE);
    if (this.#max < 8 * this.#pad || this.#max < 2) throw new RangeError('a chunk has room for more than its padding');
    this.#quietest = options.quietest ?? ((_start, end) => end);
  }

  /** Regions come in order and do not overlap. Returns the chunks that it completes. */
  push(region: SpeechRegion): Chunk[] {
    if (region.endSample <= region.startSample) throw new RangeError('a speech region has a length');
    if (region.startSample < this.#settledUntil) throw new RangeError('speech regions come in order');
    this.#settledUntil = region.endSample;
    if (this.#runs.length === 0) this.#lead = Math.min(this.#pad, region.startSample);
    this.#runs.push(region);
    const chunks: Chunk[] = [];
    while (this.#length(this.#runs.length) > this.#max) chunks.push(this.#cut());
    return chunks;
  }

  /** The last chunk; its padding ends with the recording, where `totalSamples` is given. */
  flush(totalSamples = Number.POSITIVE_INFINITY): Chunk[] {
    const last = this.#runs.at(-1);
    if (!last) return [];
    return [this.#emit(this.#runs.length, Math.min(this.#pad, Math.max(0, totalSamples - last.endSample)))];
  }

  /** Length of a chunk of the first `count` runs that ends with the last of them. */
  #length(count: number): number {
    let length = this.#lead;
    for (let i = 0; i < count; i++) {
      const { startSample, endSample } = this.#runs[i]!;
      length += endSample - startSample + (i === 0 ? 0 : this.#keptPause(i - 1));
    }
    return length;
  }

  #pauseAfter(index: number): number {
    return this.#runs[index + 1]!.startSample - this.#runs[index]!.endSample;
  }

  #keptPause(index: number): number {
    return Math.min(this.#pauseAfter(index), 2 * this.#pad);
  }

  /** Half of a pause at a chunk's end belongs to each side, as far as it is padding at all. */
  #trailAfter(index: number): number {
    return Math.min(this.#pad, Math.floor(this.#pauseAfter(index) / 2));
  }

  #cut(): Chunk {
    let best = 0;
    let bestScore = Number.NEGATIVE_INFINITY;
    let fitting = 0;
    for (let count = 1; count < this.#runs.length && this.#length(count) <= this.#max; count++) {
      fitting = count;
      const fill = this.#length(count) / this.#max;
      const pause = Math.min(this.#pauseAfter(count - 1) / SAMPLE_RATE / GOOD_PAUSE_SECONDS, 1);
      const score = fill - Math.max(0, FULL_ENOUGH - fill) * 2 + pause * PAUSE_WORTH;
      if (score >= bestScore) {
        best = count;
        bestScore = score;
      }
    }
    if (this.#length(fitting) < TOO_EMPTY * this.#max) return this.#cutInside(fitting);
    return this.#emit(best, this.#trailAfter(best - 1));
  }

  /** Fills the chunk with the beginning of the run that follows the first `count`, cut where it is quietest. */
  #cutInside(count: number): Chunk {
    const run = this.#runs[count]!;
    const used = this.#length(count) + (count === 0 ? 0 : this.#keptPause(count - 1));
    const latest = Math.min(run.endSample - 1, run.startSample + this.#max - used);
    const earliest = Math.max(run.startSample + 1, latest - CUT_SEARCH_SECONDS * SAMPLE_RATE);
    const at = Math.max(earliest, Math.min(latest, Math.round(this.#quietest(earliest, latest))));
    this.#runs.splice(
      count,
      1,
      { startSample: run.startSample, endSample: at },
      { startSample: at, endSample: run.endSample },
    );
    return this.#emit(count + 1, 0);
  }

  #emit(count: number, trail: number): Chunk {
    const runs = this.#runs;
    const pieces: { startSample: number; endSample: number }[] = [];
    for (let i = 0; i < count; i++) {
      const { startSample, endSample } = runs[i]!;
      const pause = i === 0 ? 0 : this.#pauseAfter(i - 1);
      const previous = pieces.at(-1);
      if (previous && pause <= 2 * this.#pad) {
        previous.endSample = endSample;
        continue;
      }
      if (previous) previous.endSample += this.#pad;
      pieces.push({ startSample: startSample - (i === 0 ? this.#lead : this.#pad), endSample });
    }
    pieces.at(-1)!.endSample += Math.min(trail, this.#max - this.#length(count));
    this.#lead = count < runs.length ? Math.min(this.#pad, Math.ceil(this.#pauseAfter(count - 1) / 2)) : 0;
    this.#runs = runs.slice(count);
    return { pieces, samples: samplesOf(pieces) };
  }
}

/** Samples of all pieces together. */
export function samplesOf(pieces: readonly ChunkPiece[]): number {
  return pieces.reduce((sum, { startSample, endSample }) => sum + endSample - startSample, 0);
}

/** The chunk's samples, one piece behind the other: `Float32Array`, [chunk.samples]. `read` gives `count` samples. */
export function chunkSamples(
  chunk: Chunk,
  read: (startSample: number, count: number, target: Float32Array) => void,
): Float32Array {
  const samples = new Float32Array(chunk.samples);
  let at = 0;
  for (const { startSample, endSample } of chunk.pieces) {
    const count = endSample - startSample;
    read(startSample, count, samples.subarray(at, at + count));
    at += count;
  }
  return samples;
}
