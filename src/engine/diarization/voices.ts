import { type Calibration, scoreOf } from './calibration.ts';
import { addRow, makeRows, normalizedRows, type Rows, rowCount, rowDot, scaleRow } from './vectors.ts';

/** Sub-segments that take part in finding the speakers. */
export interface WeightedItems {
  readonly vectors: Rows;
  readonly narrow: Uint8Array;
  /** Seconds of speech that each stands for. */
  readonly weights: Float32Array;
}

/** What each speaker sounds like. */
export interface Voices {
  /** Unit rows, one a speaker. */
  readonly centroids: Rows;
  /** Band class of most of the speech: 1 narrow, 0 wide. */
  readonly narrow: Uint8Array;
}

/** Weighted means by label (negative labels are left out), with their seconds and band class. */
export interface LabelMeans {
  readonly means: Rows;
  readonly seconds: Float64Array;
  readonly narrow: Uint8Array;
}

export function meansByLabel(items: WeightedItems, labels: Int32Array, count: number): LabelMeans {
  const means = makeRows(count);
  const seconds = new Float64Array(count);
  const narrowSeconds = new Float64Array(count);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (label < 0) continue;
    const weight = items.weights[i]!;
    addRow(means, label, items.vectors, i, weight);
    seconds[label]! += weight;
    narrowSeconds[label]! += weight * items.narrow[i]!;
  }
  for (let label = 0; label < count; label++) if (seconds[label]! > 0) scaleRow(means, label, 1 / seconds[label]!);
  const narrow = Uint8Array.from(narrowSeconds, (value, label) => (value > seconds[label]! / 2 ? 1 : 0));
  return { means, seconds, narrow };
}

/** Mean pair score of two labels. */
export function labelScore({ means, narrow }: LabelMeans, a: number, b: number, calibration: Calibration): number {
  return scoreOf(calibration, rowDot(means, a, means, b), narrow[a] === 1 && narrow[b] === 1);
}

/** The two labels with the highest mean pair score. */
export function mostAlike(
  means: LabelMeans,
  count: number,
  calibration: Calibration,
): { a: number; b: number; score: number } {
  let best = { a: -1, b: -1, score: Number.NEGATIVE_INFINITY };
  for (let b = 1; b < count; b++) {
    for (let a = 0; a < b; a++) {
      const score = labelScore(means, a, b, calibration);
      if (score > best.score) best = { a, b, score };
    }
  }
  return best;
}

export function voicesOf(items: WeightedItems, labels: Int32Array, count: number): Voices {
  const { means, narrow } = meansByLabel(items, labels, count);
  return { centroids: normalizedRows(means), narrow };
}

/** The speaker each item is nearest to, by cosine. */
export function nearestVoices(items: WeightedItems, centroids: Rows): Int32Array {
  const count = rowCount(centroids);
  return Int32Array.from(items.weights, (_, i) => {
    let best = 0;
    let highest = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < count; k++) {
      const cosine = rowDot(centroids, k, items.vectors, i);
      if (cosine > highest) {
        highest = cosine;
        best = k;
      }
    }
    return best;
  });
}

/** Merges label `b` into `a`; labels above `b` move down by one. */
export function mergeLabels(labels: Int32Array, a: number, b: number): Int32Array {
  return labels.map((label) => (label === b ? a : label > b ? label - 1 : label));
}
