import { SAMPLE_RATE, type Seconds } from '../../core/units.ts';
import {
  FIRST_FRAME_CENTRE,
  FRAME_STEP_SAMPLES,
  firstFrameOfWindow,
  WINDOW_FRAMES,
} from '../../inference/segmentation/geometry.ts';

/** A stretch of speech, end exclusive, in samples of the recording. */
export interface SpeechRegion {
  readonly startSample: number;
  readonly endSample: number;
}

export interface SpeechRegionOptions {
  /** Samples from the start of one segmentation window to that of the next. */
  readonly hopSamples: number;
  /** Pauses shorter than this do not end a region. */
  readonly minPauseSeconds?: Seconds;
  /** Regions shorter than this are dropped. */
  readonly minSpeechSeconds?: Seconds;
  /** Share of the votes a frame needs to count as speech; a frame's votes come from all windows that cover it. */
  readonly threshold?: number;
}

/**
 * Below one half, because a word that is not heard is lost and a second of silence too much is not: on meeting clips, at a
 * hop of 5 s, speech missed falls from 5.0 to 4.0 % and false speech stays at 4.8 %.
 */
const DEFAULTS = { minPauseSeconds: 0.1, minSpeechSeconds: 0.1, threshold: 0.4 };

/** Votes near the edge of a window, where the model sees one side only, weigh down to this … */
const EDGE_WEIGHT = 0.1;
/** … rising to 1 over so many frames (2.5 s). */
const EDGE_FRAMES = 148;

const voteWeights = Float32Array.from({ length: WINDOW_FRAMES }, (_, frame) => {
  const fromEdge = Math.min(frame, WINDOW_FRAMES - 1 - frame);
  return EDGE_WEIGHT + (1 - EDGE_WEIGHT) * Math.min(1, fromEdge / EDGE_FRAMES);
});

/**
 * Finds where somebody speaks, from the classes that the segmentation model gives every frame of every window (0 is
 * silence), as they come: regions are returned once a window begins behind them, which no later one can change. Frames are put on one grid for the
 * whole recording (window start / 270, rounded), and the windows that cover a frame vote. Regions come in order, do not
 * touch, and are not padded. Nobody speaks in a recording that yields none.
 */
export class SpeechRegionDetector {
  readonly #hopSamples: number;
  readonly #minPause: number;
  readonly #minSpeech: number;
  readonly #threshold: number;
  readonly #early = new Map<number, Uint8Array>();
  #nextWindow = 0;
  /** Votes of frames from `#firstFrame` on. */
  #speech = new Float32Array(WINDOW_FRAMES);
  #total = new Float32Array(WINDOW_FRAMES);
  #firstFrame = 0;
  /** First and last speech frame of the region that may still grow. */
  #open: { first: number; last: number } | undefined;

  constructor(options: SpeechRegionOptions) {
    const { minPauseSeconds, minSpeechSeconds, threshold } = { ...DEFAULTS, ...options };
    this.#hopSamples = options.hopSamples;
    this.#minPause = (minPauseSeconds * SAMPLE_RATE) / FRAME_STEP_SAMPLES;
    this.#minSpeech = (minSpeechSeconds * SAMPLE_RATE) / FRAME_STEP_SAMPLES;
    this.#threshold = threshold;
  }

  /**
   * `classes` holds the 589 classes of window `windowIndex`, whose first sample is `windowIndex * hopSamples`. Windows may
   * come out of order; each is given once.
   */
  push(windowIndex: number, classes: Uint8Array): SpeechRegion[] {
    if (classes.length !== WINDOW_FRAMES) throw new RangeError(`a window has ${WINDOW_FRAMES} frames`);
    // Copied, because callers hand out parts of a batch they go on to reuse.
    this.#early.set(windowIndex, classes.slice());
    const regions: SpeechRegion[] = [];
    for (let window = this.#early.get(this.#nextWindow); window; window = this.#early.get(this.#nextWindow)) {
      this.#early.delete(this.#nextWindow);
      // That this window exists also tells that the recording goes on to here: what lies before is no padding.
      this.#settle(this.#windowFrame(this.#nextWindow), regions);
      this.#vote(this.#windowFrame(this.#nextWindow), window);
      this.#nextWindow++;
    }
    return regions;
  }

  /** What is still open when the last window was given, cut to the recording's `totalSamples`. */
  flush(totalSamples: number): SpeechRegion[] {
    const regions: SpeechRegion[] = [];
    this.#settle(this.#firstFrame + this.#total.length, regions);
    this.#close(regions);
    return regions
      .map(({ startSample, endSample }) => ({ startSample, endSample: Math.min(endSample, totalSamples) }))
      .filter(({ startSample, endSample }) => endSample > startSample);
  }

  #windowFrame(windowIndex: number): number {
    return firstFrameOfWindow(windowIndex * this.#hopSamples);
  }

  #vote(firstFrame: number, classes: Uint8Array): void {
    const offset = firstFrame - this.#firstFrame;
    const needed = offset + WINDOW_FRAMES;
    if (needed > this.#total.length) {
      this.#speech = grow(this.#speech, needed);
      this.#total = grow(this.#total, needed);
    }
    for (let i = 0; i < WINDOW_FRAMES; i++) {
      const weight = voteWeights[i]!;
      this.#total[offset + i]! += weight;
      if (classes[i] !== 0) this.#speech[offset + i]! += weight;
    }
  }

  /** Decides the frames before `untilFrame`, which no later window covers. */
  #settle(untilFrame: number, regions: SpeechRegion[]): void {
    const count = Math.min(untilFrame - this.#firstFrame, this.#total.length);
    for (let i = 0; i < count; i++) {
      const total = this.#total[i]!;
      if (total > 0 && this.#speech[i]! >= this.#threshold * total) this.#extend(this.#firstFrame + i, regions);
    }
    this.#speech = this.#speech.slice(count);
    this.#total = this.#total.slice(count);
    this.#firstFrame += count;
    if (this.#open && this.#firstFrame - this.#open.last - 1 >= this.#minPause) this.#close(regions);
  }

  #extend(frame: number, regions: SpeechRegion[]): void {
    if (this.#open && frame - this.#open.last - 1 < this.#minPause) {
      this.#open.last = frame;
      return;
    }
    this.#close(regions);
    this.#open = { first: frame, last: frame };
  }

  #close(regions: SpeechRegion[]): void {
    if (!this.#open) return;
    const { first, last } = this.#open;
    this.#open = undefined;
    if (last - first + 1 < this.#minSpeech) return;
    // A frame speaks for the step around its centre; the first one also for what lies before it.
    const startSample = first === 0 ? 0 : edgeBefore(first);
    regions.push({ startSample, endSample: edgeBefore(last + 1) });
  }
}

/**
 * Speech regions of a whole recording: `classes` is `Uint8Array`, [windows, 589], windows `hopSamples` apart.
 */
export function speechRegions(classes: Uint8Array, totalSamples: number, options: SpeechRegionOptions): SpeechRegion[] {
  const detector = new SpeechRegionDetector(options);
  const regions: SpeechRegion[] = [];
  for (let window = 0; (window + 1) * WINDOW_FRAMES <= classes.length; window++) {
    regions.push(...detector.push(window, classes.subarray(window * WINDOW_FRAMES, (window + 1) * WINDOW_FRAMES)));
  }
  regions.push(...detector.flush(totalSamples));
  return regions;
}

/** Seconds of speech in all. */
export function speechSeconds(regions: readonly SpeechRegion[]): Seconds {
  return regions.reduce((sum, { startSample, endSample }) => sum + endSample - startSample, 0) / SAMPLE_RATE;
}

function edgeBefore(frame: number): number {
  return frame * FRAME_STEP_SAMPLES + FIRST_FRAME_CENTRE - FRAME_STEP_SAMPLES / 2;
}

function grow(values: Float32Array, length: number): Float32Array<ArrayBuffer> {
  const grown = new Float32Array(length);
  grown.set(values);
  return grown;
}
