import { FRAME_SECONDS, WINDOW_FRAMES } from '../../inference/segmentation/geometry.ts';
import type { SubSegment } from './runs.ts';
import { type FrameTracks, OVERLAP, type Tracks } from './tracks.ts';

/** Score that a track's nearest label in time adds to that speaker. */
const LABEL_BONUS = 2;
const LABEL_SPAN_SECONDS = 10;
/** Below this much clean speech in the window, a track's overlapped speech is used too. */
const ENOUGH_CLEAN_SECONDS = 0.3;

/** A sub-segment's time and track, with its scores against each speaker, [speakers]. */
export interface ScoredSegment {
  readonly segment: SubSegment;
  readonly scores: Float32Array;
}

/** Speakers of each frame: `second` is -1 but where two talk. */
export interface FrameSpeakers {
  readonly first: Int32Array;
  readonly second: Int32Array;
}

/**
 * Adds the frames in which two tracks talk to the labels of the others: the pair of different speakers that fits both
 * tracks best, by the tracks' mean scores in the nearest window and their labels before and after. With one speaker
 * only, the second gets the number `speakers`. `overlapped` holds tracks that have next to no clean speech.
 */
export function labelOverlaps(
  byFrame: FrameTracks,
  tracks: Tracks,
  labels: Int32Array,
  clean: readonly ScoredSegment[],
  overlapped: readonly ScoredSegment[],
  speakers: number,
): FrameSpeakers {
  const { frames, alone, owner } = byFrame;
  const first = labels.slice();
  const second = new Int32Array(frames).fill(-1);
  if (speakers === 0) return { first, second };
  const scorer = new TrackScorer(clean, overlapped, tracks, speakers);
  const nearest = nearestLabels(byFrame, labels, tracks.count);
  for (let t = 0; t < frames; t++) {
    if (alone[t] !== OVERLAP) continue;
    const scoresOf = (track: number, side: LabelledTracks): Float32Array => {
      const scores = scorer.scores(owner[t]!, track).slice();
      const label = side.labels[t]!;
      if (label >= 0 && side.distances[t]! * FRAME_SECONDS < LABEL_SPAN_SECONDS) scores[label]! += LABEL_BONUS;
      return scores;
    };
    const a = scoresOf(byFrame.first[t]!, nearest.first);
    const b = scoresOf(byFrame.second[t]!, nearest.second);
    const pair = bestPair(a, b);
    first[t] = pair.first;
    second[t] = pair.second;
  }
  return { first, second };
}

function bestPair(a: Float32Array, b: Float32Array): { first: number; second: number } {
  let best = Number.NEGATIVE_INFINITY;
  let first = 0;
  let second = a.length;
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < b.length; j++) {
      if (i === j || a[i]! + b[j]! <= best) continue;
      best = a[i]! + b[j]!;
      first = i;
      second = j;
    }
  }
  return { first, second };
}

/** For overlapped frames: the label that the track has nearest in time, and how many frames away. */
interface LabelledTracks {
  readonly labels: Int32Array;
  readonly distances: Int32Array;
}

function nearestLabels(
  byFrame: FrameTracks,
  labels: Int32Array,
  tracks: number,
): { first: LabelledTracks; second: LabelledTracks } {
  const { frames, alone } = byFrame;
  const empty = (): LabelledTracks => ({
    labels: new Int32Array(frames).fill(-1),
    distances: new Int32Array(frames).fill(frames),
  });
  const sides = { first: empty(), second: empty() };
  const lastLabel = new Int32Array(tracks);
  const lastFrame = new Int32Array(tracks);
  const sweep = (step: 1 | -1): void => {
    lastLabel.fill(-1);
    for (let t = step === 1 ? 0 : frames - 1; t >= 0 && t < frames; t += step) {
      const track = alone[t]!;
      if (track >= 0) {
        lastLabel[track] = labels[t]!;
        lastFrame[track] = t;
      } else if (track === OVERLAP) {
        for (const side of ['first', 'second'] as const) {
          const talking = byFrame[side][t]!;
          if (lastLabel[talking]! < 0) continue;
          const distance = Math.abs(t - lastFrame[talking]!);
          if (distance >= sides[side].distances[t]!) continue;
          sides[side].labels[t] = lastLabel[talking]!;
          sides[side].distances[t] = distance;
        }
      }
    }
  };
  sweep(1);
  sweep(-1);
  return sides;
}

/** Mean scores of a track over its sub-segments in one window, weighed by their length. */
class TrackScorer {
  readonly #clean: Map<number, ScoredSegment[]>;
  readonly #overlapped: Map<number, ScoredSegment[]>;
  readonly #tracks: Tracks;
  readonly #speakers: number;
  readonly #known = new Map<number, Float32Array>();

  constructor(clean: readonly ScoredSegment[], overlapped: readonly ScoredSegment[], tracks: Tracks, speakers: number) {
    this.#clean = Map.groupBy(clean, ({ segment }) => segment.track);
    this.#overlapped = Map.groupBy(overlapped, ({ segment }) => segment.track);
    this.#tracks = tracks;
    this.#speakers = speakers;
  }

  scores(window: number, track: number): Float32Array {
    const key = window * this.#tracks.count + track;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const from = this.#tracks.windowFrames[window]!;
    const sums = new Float32Array(this.#speakers);
    const inWindow = (this.#clean.get(track) ?? []).filter(
      ({ segment }) => segment.end > from && segment.start < from + WINDOW_FRAMES,
    );
    let seconds = addScores(sums, inWindow);
    if (seconds < ENOUGH_CLEAN_SECONDS) seconds += addScores(sums, this.#overlapped.get(track) ?? []);
    const means = seconds > 0 ? sums.map((sum) => sum / seconds) : sums;
    this.#known.set(key, means);
    return means;
  }
}

function addScores(sums: Float32Array, segments: readonly ScoredSegment[]): number {
  let seconds = 0;
  for (const { segment, scores } of segments) {
    seconds += segment.seconds;
    for (let k = 0; k < sums.length; k++) sums[k]! += segment.seconds * scores[k]!;
  }
  return seconds;
}
