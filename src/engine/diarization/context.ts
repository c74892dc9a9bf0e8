import { FRAME_SECONDS } from '../../inference/segmentation/geometry.ts';
import { type Calibration, cosineAt } from './calibration.ts';
import { SUB_SEGMENT_SECONDS, type SubSegment } from './runs.ts';
import { addRow, makeRows, type Rows, rowDot, scaleRow } from './vectors.ts';

const SPAN_SECONDS = 8;
const NEIGHBOUR_WEIGHT = 0.7;
const LEAST_SCORE = 0.7;

export interface ContextVectors {
  /** Weighted means of unit vectors; shorter than 1 where the pieces differ. */
  readonly vectors: Rows;
  /** Seconds of speech behind each, neighbours counted at their weight. */
  readonly seconds: Float32Array;
}

/**
 * Steadies each sub-segment by those of its track within 8 s that sound alike. Short pieces trust the segmentation more:
 * the likeness they must show falls with their length.
 */
export function withContext(
  segments: readonly SubSegment[],
  vectors: Rows,
  narrow: Uint8Array,
  calibration: Calibration,
): ContextVectors {
  const span = SPAN_SECONDS / FRAME_SECONDS;
  const means = makeRows(segments.length);
  const seconds = new Float32Array(segments.length);
  const bounds = [0, 1].map((band) => cosineAt(calibration, LEAST_SCORE, band === 1));
  for (const group of groupByTrack(segments)) {
    let first = 0;
    for (let a = 0; a < group.length; a++) {
      const i = group[a]!;
      const segment = segments[i]!;
      const centre = (segment.start + segment.end) / 2;
      const centreOf = (b: number): number => (segments[group[b]!]!.start + segments[group[b]!]!.end) / 2;
      while (centre - centreOf(first) > span) first++;
      addRow(means, i, vectors, i, segment.seconds);
      let total = segment.seconds;
      for (let b = first; b < group.length && centreOf(b) - centre <= span; b++) {
        if (b === a) continue;
        const j = group[b]!;
        const other = segments[j]!;
        const shorter = Math.min(segment.seconds, other.seconds);
        const bound = bounds[narrow[i]!]! * Math.min(1, shorter / SUB_SEGMENT_SECONDS);
        if (rowDot(vectors, i, vectors, j) < bound) continue;
        const weight = NEIGHBOUR_WEIGHT * other.seconds;
        addRow(means, i, vectors, j, weight);
        total += weight;
      }
      scaleRow(means, i, 1 / total);
      seconds[i] = total;
    }
  }
  return { vectors: means, seconds };
}

/** Numbers of the sub-segments of each track, by their centres in time. */
function groupByTrack(segments: readonly SubSegment[]): number[][] {
  const groups = new Map<number, number[]>();
  segments.forEach(({ track }, i) => {
    const group = groups.get(track);
    if (group === undefined) groups.set(track, [i]);
    else group.push(i);
  });
  const centre = (i: number): number => segments[i]!.start + segments[i]!.end;
  for (const group of groups.values()) group.sort((i, j) => centre(i) - centre(j));
  return [...groups.values()];
}
