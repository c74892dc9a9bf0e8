import { FRAME_SECONDS } from '../../inference/segmentation/geometry.ts';
import type { SubSegment } from './runs.ts';
import type { FrameTracks } from './tracks.ts';

/** Gain of a frame per second and unit of score. */
const GAIN = 20;
const SWITCH_WITHIN_TRACK = 10;
const SWITCH_AT_TRACK_CHANGE = 5;
/** A pause of this length makes a switch inside a track as cheap as a change of track. */
const FULL_PAUSE_SECONDS = 1;

/**
 * The likeliest speaker of every frame in which one track talks alone: -1 elsewhere. `scores`: z of each sub-segment
 * against each speaker, [segments * speakers]; a frame scores the mean of the sub-segments over it. Switching speakers
 * costs, less after a pause and where the track changes.
 */
export function labelFrames(
  byFrame: FrameTracks,
  segments: readonly SubSegment[],
  scores: Float32Array,
  speakers: number,
): Int32Array {
  const { alone, frames } = byFrame;
  const labels = new Int32Array(frames).fill(-1);
  const spoken = spokenFrames(alone);
  if (spoken.length === 0 || speakers === 0) return labels;
  const emission = new EmissionSweep(segments, scores, speakers);
  const gain = GAIN * FRAME_SECONDS;
  // origin[i * speakers + k]: speaker at spoken frame i - 1 on the best path to speaker k at frame i.
  const origin = new Uint16Array(spoken.length * speakers);
  let previous = new Float64Array(speakers);
  let current = new Float64Array(speakers);
  for (let i = 0; i < spoken.length; i++) {
    const frame = spoken[i]!;
    const expected = emission.at(frame);
    let best = 0;
    for (let k = 1; k < speakers; k++) if (previous[k]! > previous[best]!) best = k;
    const switched = i === 0 ? 0 : previous[best]! - switchPenalty(alone, spoken[i - 1]!, frame);
    for (let k = 0; k < speakers; k++) {
      const stays = i === 0 || previous[k]! >= switched;
      origin[i * speakers + k] = stays ? k : best;
      current[k] = (stays ? previous[k]! : switched) + gain * expected[k]!;
    }
    [previous, current] = [current, previous];
  }
  let speaker = 0;
  for (let k = 1; k < speakers; k++) if (previous[k]! > previous[speaker]!) speaker = k;
  for (let i = spoken.length - 1; i >= 0; i--) {
    labels[spoken[i]!] = speaker;
    speaker = origin[i * speakers + speaker]!;
  }
  return labels;
}

function spokenFrames(alone: Int32Array): Int32Array {
  let count = 0;
  for (const track of alone) if (track >= 0) count++;
  const spoken = new Int32Array(count);
  let at = 0;
  for (let t = 0; t < alone.length; t++) if (alone[t]! >= 0) spoken[at++] = t;
  return spoken;
}

function switchPenalty(alone: Int32Array, before: number, now: number): number {
  if (alone[now] !== alone[before]) return SWITCH_AT_TRACK_CHANGE;
  const pause = Math.min(1, ((now - before - 1) * FRAME_SECONDS) / FULL_PAUSE_SECONDS);
  return SWITCH_WITHIN_TRACK - (SWITCH_WITHIN_TRACK - SWITCH_AT_TRACK_CHANGE) * pause;
}

/** Mean scores of the sub-segments over a frame; frames are asked for in ascending order. */
class EmissionSweep {
  readonly #scores: Float32Array;
  readonly #speakers: number;
  /** Piece starts in ascending order, with their ends and sub-segments. */
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #items: Int32Array;
  readonly #mean: Float64Array;
  #next = 0;
  #open: number[] = [];
  #stale = true;

  constructor(segments: readonly SubSegment[], scores: Float32Array, speakers: number) {
    this.#scores = scores;
    this.#speakers = speakers;
    this.#mean = new Float64Array(speakers);
    const pieces = segments.flatMap(({ pieces: bounds }, item) =>
      Array.from({ length: bounds.length / 2 }, (_, i) => [bounds[2 * i]!, bounds[2 * i + 1]!, item] as const),
    );
    pieces.sort((a, b) => a[0] - b[0]);
    this.#starts = Int32Array.from(pieces, (piece) => piece[0]);
    this.#ends = Int32Array.from(pieces, (piece) => piece[1]);
    this.#items = Int32Array.from(pieces, (piece) => piece[2]);
  }

  at(frame: number): Float64Array {
    while (this.#next < this.#starts.length && this.#starts[this.#next]! <= frame) {
      this.#open.push(this.#next++);
      this.#stale = true;
    }
    if (this.#open.some((piece) => this.#ends[piece]! <= frame)) {
      this.#open = this.#open.filter((piece) => this.#ends[piece]! > frame);
      this.#stale = true;
    }
    if (this.#stale) this.#average();
    return this.#mean;
  }

  #average(): void {
    this.#stale = false;
    this.#mean.fill(0);
    for (const piece of this.#open) {
      const row = this.#items[piece]! * this.#speakers;
      for (let k = 0; k < this.#speakers; k++) this.#mean[k]! += this.#scores[row + k]! / this.#open.length;
    }
  }
}
