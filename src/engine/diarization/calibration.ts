import { FRAME_SECONDS, LOCAL_SPEAKERS, WINDOW_FRAMES } from '../../inference/segmentation/geometry.ts';
import type { SubSegment } from './runs.ts';
import type { Tracks } from './tracks.ts';
import { type Rows, rowDot } from './vectors.ts';

/** Cosine of a band class at which score z is 1 (one speaker) and 0 (two speakers). */
export interface ScoreScale {
  readonly same: number;
  readonly different: number;
}

/** Score scales by band class. */
export interface Calibration {
  readonly wide: ScoreScale;
  readonly narrow: ScoreScale;
}

/** What a recording without evidence gets; medians on speech of known speakers, wide band and telephone. */
const PRIOR: Calibration = { wide: { same: 0.55, different: 0.1 }, narrow: { same: 0.65, different: 0.35 } };
/** The prior counts as this many observations. */
const PRIOR_WEIGHT = 2;
/** More evidence than this is not trusted more: it comes from the same few speakers. */
const MOST_OBSERVATIONS = 20;
const LEAST_DISTANCE = 0.25;
const SHORTEST_SECONDS = 1;
const SAME_SPAN_SECONDS = 8;

/** z of a cosine: 1 where it is what one speaker's pieces have, 0 where it is what two speakers' have. */
export function scoreOf(calibration: Calibration, cosine: number, bothNarrow: boolean): number {
  const { same, different } = bothNarrow ? calibration.narrow : calibration.wide;
  return (cosine - different) / (same - different);
}

/** The cosine that has score z in a band class. */
export function cosineAt(calibration: Calibration, score: number, narrow: boolean): number {
  const { same, different } = narrow ? calibration.narrow : calibration.wide;
  return different + score * (same - different);
}

/**
 * Learns from the recording itself what cosines mean: pieces of one run come from one speaker; tracks that the
 * segmentation tells apart inside one window come from two. `vectors`: unit rows, one a sub-segment.
 */
export function calibrate(
  segments: readonly SubSegment[],
  vectors: Rows,
  narrow: Uint8Array,
  tracks: Tracks,
): Calibration {
  return {
    wide: calibrateClass(segments, vectors, narrow, 0, tracks, PRIOR.wide),
    narrow: calibrateClass(segments, vectors, narrow, 1, tracks, PRIOR.narrow),
  };
}

function calibrateClass(
  segments: readonly SubSegment[],
  vectors: Rows,
  narrow: Uint8Array,
  band: number,
  tracks: Tracks,
  prior: ScoreScale,
): ScoreScale {
  const usable = Uint8Array.from(segments, (segment, i) =>
    segment.seconds >= SHORTEST_SECONDS && narrow[i] === band ? 1 : 0,
  );
  const within = cosinesWithinRuns(segments, vectors, usable);
  const between = cosinesBetweenTracks(segments, vectors, usable, tracks);
  const same = shrink(median(within.cosines), within.runs, prior.same);
  const different = shrink(median(between), between.length, prior.different);
  return { same, different: Math.min(different, same - LEAST_DISTANCE) };
}

/** Towards the prior, the fewer observations there are. */
function shrink(value: number, observations: number, prior: number): number {
  const weight = Math.min(observations, MOST_OBSERVATIONS);
  return ((weight > 0 ? weight * value : 0) + PRIOR_WEIGHT * prior) / (weight + PRIOR_WEIGHT);
}

function cosinesWithinRuns(
  segments: readonly SubSegment[],
  vectors: Rows,
  usable: Uint8Array,
): { cosines: number[]; runs: number } {
  const span = SAME_SPAN_SECONDS / FRAME_SECONDS;
  const cosines: number[] = [];
  const runs = new Set<number>();
  for (let i = 0; i < segments.length; i++) {
    const a = segments[i]!;
    if (!usable[i]) continue;
    for (let j = i + 1; j < segments.length; j++) {
      const b = segments[j]!;
      if (b.run !== a.run || (b.start + b.end - a.start - a.end) / 2 > span) break;
      if (!usable[j] || b.start < a.end) continue;
      cosines.push(rowDot(vectors, i, vectors, j));
      runs.add(a.run);
    }
  }
  return { cosines, runs: runs.size };
}

/** One mean cosine for each pair of tracks that share a window. */
function cosinesBetweenTracks(
  segments: readonly SubSegment[],
  vectors: Rows,
  usable: Uint8Array,
  tracks: Tracks,
): number[] {
  const byTrack = new Map<number, number[]>();
  segments.forEach((segment, i) => {
    if (!usable[i]) return;
    const list = byTrack.get(segment.track);
    if (list === undefined) byTrack.set(segment.track, [i]);
    else list.push(i);
  });
  const pairs = new Map<string, { sum: number; count: number }>();
  const inside: number[][] = [];
  for (let w = 0; w < tracks.windows; w++) {
    const from = tracks.windowFrames[w]!;
    const until = from + WINDOW_FRAMES;
    for (let s = 0; s < LOCAL_SPEAKERS; s++) {
      const track = tracks.ofLocalSpeaker[w * LOCAL_SPEAKERS + s]!;
      const all = byTrack.get(track) ?? [];
      inside[s] = all.filter((i) => segments[i]!.start >= from && segments[i]!.end <= until);
    }
    for (let a = 1; a < LOCAL_SPEAKERS; a++) {
      for (let b = 0; b < a; b++) {
        for (const i of inside[a]!) {
          for (const j of inside[b]!) {
            const [x, y] = [segments[i]!.track, segments[j]!.track];
            const key = x < y ? `${x} ${y}` : `${y} ${x}`;
            const pair = pairs.get(key) ?? { sum: 0, count: 0 };
            pair.sum += rowDot(vectors, i, vectors, j);
            pair.count++;
            pairs.set(key, pair);
          }
        }
      }
    }
  }
  return Array.from(pairs.values(), ({ sum, count }) => sum / count);
}

function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
