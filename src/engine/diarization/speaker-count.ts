import { Breather } from '../../core/event-loop.ts';
import type { Warning } from '../../transcript/types.ts';
import type { Calibration } from './calibration.ts';
import { buildDendrogram, type Clustering, cutDendrogram } from './clustering.ts';
import { addRow, makeRows, normalizeRow, type Rows, rowDot } from './vectors.ts';
import { labelScore, meansByLabel, mergeLabels, mostAlike, type WeightedItems } from './voices.ts';

/** How many speakers there may be; absent bounds are open. */
export interface SpeakerBounds {
  readonly speakers?: number;
  readonly minSpeakers?: number;
  readonly maxSpeakers?: number;
}

const MERGE_SCORE = 0.6;
const LEAST_CLUSTER_SECONDS = 0.5;
const LEAST_PART_SECONDS = 1;
/** Parts that score above this are one voice: splitting them would invent a speaker. */
const HIGHEST_SPLIT_SCORE = 0.65;
const SPLIT_ROUNDS = 3;
/** Levels at which a cluster is looked at for parts, from loose to strict. */
const SPLIT_LEVELS = Array.from({ length: 30 }, (_, step) => -0.6 + 0.05 * step);

/**
 * Drops clusters under 0.5 s of speech and merges those whose mean pair score reaches 0.6. Dropped items get label -1.
 * Where nothing would stay, the largest cluster does.
 */
export async function dropAndMerge(
  items: WeightedItems,
  clustering: Clustering,
  calibration: Calibration,
  atLeast: number,
): Promise<Clustering> {
  const breather = new Breather();
  const seconds = new Float64Array(clustering.count);
  clustering.labels.forEach((label, i) => {
    if (label >= 0) seconds[label]! += items.weights[i]!;
  });
  const largest = Math.max(...seconds);
  const renumbered = new Int32Array(clustering.count).fill(-1);
  let count = 0;
  seconds.forEach((value, label) => {
    if (value >= Math.min(LEAST_CLUSTER_SECONDS, largest)) renumbered[label] = count++;
  });
  let labels: Int32Array = clustering.labels.map((label) => (label < 0 ? -1 : renumbered[label]!));
  while (count > atLeast) {
    await breather.breathe();
    const { a, b, score } = mostAlike(meansByLabel(items, labels, count), count, calibration);
    if (score < MERGE_SCORE) break;
    labels = mergeLabels(labels, a, b);
    count--;
  }
  return { labels, count };
}

/**
 * Brings the number of speakers within `bounds`: merges the most alike; splits where two parts, each with a second of
 * speech, are least alike, and refuses where they sound like one voice. `labels` must all be set. Says what it could
 * not do.
 */
export async function boundSpeakers(
  items: WeightedItems,
  clustering: Clustering,
  calibration: Calibration,
  bounds: SpeakerBounds,
): Promise<Clustering & { warnings: Warning[] }> {
  const breather = new Breather();
  const most = bounds.speakers ?? bounds.maxSpeakers ?? Number.POSITIVE_INFINITY;
  const least = bounds.speakers ?? bounds.minSpeakers ?? 1;
  let { labels, count } = clustering;
  while (count > Math.max(1, most)) {
    await breather.breathe();
    const { a, b } = mostAlike(meansByLabel(items, labels, count), count, calibration);
    labels = mergeLabels(labels, a, b);
    count--;
  }
  // A cluster's own best split stays what it is while others are split.
  const splits = new Map<number, Split | undefined>();
  while (count < least) {
    for (let label = 0; label < count; label++) {
      if (!splits.has(label)) splits.set(label, await splitOf(items, labels, label, calibration, breather));
    }
    const best = bestSplit(splits.values());
    if (best === undefined) break;
    splits.delete(labels[best.members[0]!]!);
    labels = refineSplit(items, labels, count, best);
    count++;
  }
  const warnings: Warning[] = [];
  if (count < least) {
    warnings.push({
      code: 'fewer_speakers',
      message: `${least} speakers were asked for, but only ${count} can be told apart in this recording.`,
    });
  }
  return { labels, count, warnings };
}

interface Split {
  readonly members: readonly number[];
  readonly parts: Int32Array;
  readonly a: number;
  readonly b: number;
  readonly score: number;
}

/** The split of the least alike parts; none where no split is allowed. */
function bestSplit(splits: Iterable<Split | undefined>): Split | undefined {
  let best: Split | undefined;
  for (const split of splits) {
    if (split !== undefined && split.score < (best?.score ?? Number.POSITIVE_INFINITY)) best = split;
  }
  return best === undefined || best.score > HIGHEST_SPLIT_SCORE ? undefined : best;
}

/** The first level, from loose to strict, at which a cluster falls into two parts of enough speech. */
async function splitOf(
  items: WeightedItems,
  labels: Int32Array,
  label: number,
  calibration: Calibration,
  breather: Breather,
): Promise<Split | undefined> {
  const members: number[] = [];
  let seconds = 0;
  labels.forEach((value, i) => {
    if (value !== label) return;
    members.push(i);
    seconds += items.weights[i]!;
  });
  if (members.length < 2 || seconds < 2 * LEAST_PART_SECONDS) return undefined;
  const subset = subsetOf(items, members);
  const dendrogram = await buildDendrogram(subset, calibration, SPLIT_LEVELS[0]!, HIGHEST_SPLIT_SCORE);
  for (const level of SPLIT_LEVELS) {
    await breather.breathe();
    const { labels: parts, count } = cutDendrogram(dendrogram, level);
    if (count < 2) continue;
    const means = meansByLabel(subset, parts, count);
    const large = [...means.seconds.keys()].filter((part) => means.seconds[part]! >= LEAST_PART_SECONDS);
    if (large.length < 2) continue;
    let best: Split | undefined;
    for (const a of large) {
      for (const b of large) {
        if (a >= b) continue;
        const score = labelScore(means, a, b, calibration);
        if (best === undefined || score < best.score) best = { members, parts, a, b, score };
      }
    }
    return best;
  }
  return undefined;
}

function subsetOf(items: WeightedItems, members: readonly number[]): WeightedItems {
  const vectors = makeRows(members.length);
  members.forEach((item, i) => {
    addRow(vectors, i, items.vectors, item, 1);
  });
  return {
    vectors,
    narrow: Uint8Array.from(members, (item) => items.narrow[item]!),
    weights: Float32Array.from(members, (item) => items.weights[item]!),
  };
}

function refineSplit(items: WeightedItems, labels: Int32Array, count: number, split: Split): Int32Array {
  const { members, parts, a } = split;
  const from = labels[members[0]!]!;
  const next = labels.slice();
  let centres: Rows = partCentres(items, members, (i) => (parts[i] === a ? 0 : parts[i] === split.b ? 1 : -1));
  for (let round = 0; round < SPLIT_ROUNDS; round++) {
    for (const item of members) {
      const nearerNew = rowDot(centres, 1, items.vectors, item) > rowDot(centres, 0, items.vectors, item);
      next[item] = nearerNew ? count : from;
    }
    centres = partCentres(items, members, (i) => (next[members[i]!] === count ? 1 : 0));
  }
  return next;
}

function partCentres(items: WeightedItems, members: readonly number[], partOf: (index: number) => number): Rows {
  const centres = makeRows(2);
  members.forEach((item, i) => {
    const part = partOf(i);
    if (part >= 0) addRow(centres, part, items.vectors, item, items.weights[item]!);
  });
  normalizeRow(centres, 0);
  normalizeRow(centres, 1);
  return centres;
}
