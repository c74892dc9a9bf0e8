import { Breather } from '../../core/event-loop.ts';
import { type Calibration, scoreOf } from './calibration.ts';
import { addRow, makeRows, type Rows, rowDot } from './vectors.ts';

/** Above this many items their pairwise scores are not held at once (4 bytes a pair: 36 MB). */
export const BLOCK_ITEMS = 3000;

export interface Items {
  readonly vectors: Rows;
  /** Band class of each: 1 narrow, 0 wide. */
  readonly narrow: Uint8Array;
}

export interface Clustering {
  /** Cluster of each item, 0 to count - 1. */
  readonly labels: Int32Array;
  readonly count: number;
}

/**
 * Average-linkage agglomerative clustering on score z, stopped where no two clusters have a mean pair score of
 * `threshold`. At most {@link BLOCK_ITEMS} items are compared at once: longer inputs are clustered in blocks first, then
 * the clusters of all blocks with exactly the same linkage, so that memory stays bounded.
 */
export async function clusterItems(items: Items, calibration: Calibration, threshold: number): Promise<Clustering> {
  return cutDendrogram(await buildDendrogram(items, calibration, threshold, threshold), threshold);
}

/** What merged with what, at which score; {@link cutDendrogram} gives the clusters of any threshold. */
export interface Dendrogram {
  readonly items: number;
  readonly leaves: readonly (readonly number[])[];
  /** In an order in which parts come before what they are parts of; scores fall from part to whole. */
  readonly merges: readonly Merge[];
}

interface Merge {
  /** Leaves that stand for the two merged groups; the first stands for both from here on. */
  readonly kept: number;
  readonly gone: number;
  /** Mean pair score of the two groups. */
  readonly score: number;
}

/**
 * The dendrogram of {@link clusterItems} down to `threshold`. Beyond {@link BLOCK_ITEMS} items its leaves are the clusters
 * of blocks at `leafThreshold`, so that cuts above that say nothing more.
 */
export async function buildDendrogram(
  items: Items,
  calibration: Calibration,
  threshold: number,
  leafThreshold: number,
): Promise<Dendrogram> {
  const count = items.narrow.length;
  const breather = new Breather();
  let groups = singletons(items);
  if (count > BLOCK_ITEMS) {
    const reduced: Group[] = [];
    for (let from = 0; from < count; from += BLOCK_ITEMS) {
      const block = groups.slice(from, from + BLOCK_ITEMS);
      const merges = await agglomerate(block, calibration, leafThreshold, breather);
      reduced.push(...membersByRoot(block.length, merges).map((members) => join(members.map((i) => block[i]!))));
    }
    groups = largest(reduced, BLOCK_ITEMS);
  }
  const merges = await agglomerate(groups, calibration, threshold, breather);
  return { items: count, leaves: groups.map(({ members }) => members), merges };
}

/** The clusters in which no merge scores below `threshold`; items that no leaf holds get label -1. */
export function cutDendrogram({ items, leaves, merges }: Dendrogram, threshold: number): Clustering {
  const clusters = membersByRoot(
    leaves.length,
    merges.filter(({ score }) => score >= threshold),
  );
  const labels = new Int32Array(items).fill(-1);
  clusters.forEach((members, cluster) => {
    for (const leaf of members) for (const item of leaves[leaf]!) labels[item] = cluster;
  });
  return { labels, count: clusters.length };
}

/** Leaves by the cluster that the merges leave them in. */
function membersByRoot(leaves: number, merges: readonly Merge[]): number[][] {
  const members: (number[] | undefined)[] = Array.from({ length: leaves }, (_, leaf) => [leaf]);
  for (const { kept, gone } of merges) {
    members[kept]!.push(...members[gone]!);
    members[gone] = undefined;
  }
  return members.filter((list) => list !== undefined);
}

/** Items merged so far, with the sums that give the mean pair score to any other group exactly. */
interface Group {
  readonly members: readonly number[];
  readonly size: number;
  readonly narrowSize: number;
  /** Sum of all members' vectors, and of those on narrow band: one row each. */
  readonly sum: Rows;
  readonly narrowSum: Rows;
}

function singletons({ vectors, narrow }: Items): Group[] {
  const zero = makeRows(1);
  return Array.from(narrow, (flag, i) => {
    const sum = makeRows(1);
    addRow(sum, 0, vectors, i, 1);
    return { members: [i], size: 1, narrowSize: flag, sum, narrowSum: flag === 1 ? sum : zero };
  });
}

/** z is linear in the cosine, so that the mean over all pairs follows from the sums of the vectors. */
function meanScore(a: Group, b: Group, calibration: Calibration): number {
  const pairs = a.size * b.size;
  const narrowPairs = a.narrowSize * b.narrowSize;
  const cosines = rowDot(a.sum, 0, b.sum, 0);
  if (narrowPairs === 0) return scoreOf(calibration, cosines / pairs, false);
  const narrowCosines = rowDot(a.narrowSum, 0, b.narrowSum, 0);
  const narrow = narrowPairs * scoreOf(calibration, narrowCosines / narrowPairs, true);
  const widePairs = pairs - narrowPairs;
  if (widePairs === 0) return narrow / pairs;
  return (narrow + widePairs * scoreOf(calibration, (cosines - narrowCosines) / widePairs, false)) / pairs;
}

function largest(groups: readonly Group[], count: number): Group[] {
  return groups.length <= count ? groups.slice() : groups.toSorted((a, b) => b.size - a.size).slice(0, count);
}

/**
 * Nearest-neighbour chain (Murtagh 1983), O(n^2). Average linkage is reducible: two groups that are each other's nearest
 * and score below the threshold will never merge with anything, so that they can be set aside at once.
 */
async function agglomerate(
  groups: readonly Group[],
  calibration: Calibration,
  threshold: number,
  breather: Breather,
): Promise<Merge[]> {
  const n = groups.length;
  const scores = await pairScores(groups, calibration, breather);
  const sizes = Float64Array.from(groups, (group) => group.size);
  /** Lowest score of the merges that made each group: rounding must not make a whole look closer than its parts. */
  const lowest = new Float64Array(n).fill(Number.POSITIVE_INFINITY);
  const merges: Merge[] = [];
  let active = Int32Array.from({ length: n }, (_, i) => i);
  let activeCount = n;
  const chain: number[] = [];
  const remove = (group: number): void => {
    const at = active.indexOf(group);
    active.copyWithin(at, at + 1, activeCount);
    activeCount--;
    if (activeCount < active.length / 2) active = active.slice(0, activeCount);
  };
  while (activeCount > 0) {
    await breather.breathe();
    if (chain.length === 0) chain.push(active[0]!);
    const top = chain.at(-1)!;
    const before = chain.at(-2) ?? -1;
    // The group below in the chain wins ties, without which the chain could walk in circles.
    let nearest = before;
    let best = before >= 0 ? scores[top * n + before]! : Number.NEGATIVE_INFINITY;
    for (let k = 0; k < activeCount; k++) {
      const other = active[k]!;
      const score = scores[top * n + other]!;
      if (score > best && other !== top) {
        best = score;
        nearest = other;
      }
    }
    if (nearest < 0 || best < threshold) {
      // Nothing is near enough now, and merging others cannot bring anything nearer.
      chain.pop();
      remove(top);
    } else if (nearest === before) {
      chain.length -= 2;
      const [sizeTop, sizeBefore] = [sizes[top]!, sizes[before]!];
      for (let k = 0; k < activeCount; k++) {
        const other = active[k]!;
        const score =
          (sizeTop * scores[top * n + other]! + sizeBefore * scores[before * n + other]!) / (sizeTop + sizeBefore);
        scores[before * n + other] = score;
        scores[other * n + before] = score;
      }
      sizes[before] = sizeTop + sizeBefore;
      lowest[before] = Math.min(best, lowest[before]!, lowest[top]!);
      merges.push({ kept: before, gone: top, score: lowest[before]! });
      remove(top);
    } else {
      chain.push(nearest);
    }
  }
  return merges;
}

async function pairScores(
  groups: readonly Group[],
  calibration: Calibration,
  breather: Breather,
): Promise<Float32Array> {
  const n = groups.length;
  const scores = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {
    await breather.breathe();
    for (let j = 0; j < i; j++) {
      const score = meanScore(groups[i]!, groups[j]!, calibration);
      scores[i * n + j] = score;
      scores[j * n + i] = score;
    }
  }
  return scores;
}

function join(parts: readonly Group[]): Group {
  if (parts.length === 1) return parts[0]!;
  const sum = makeRows(1);
  const narrowSum = makeRows(1);
  for (const part of parts) {
    addRow(sum, 0, part.sum, 0, 1);
    addRow(narrowSum, 0, part.narrowSum, 0, 1);
  }
  return {
    members: parts.flatMap((part) => part.members).sort((a, b) => a - b),
    size: parts.reduce((size, part) => size + part.size, 0),
    narrowSize: parts.reduce((size, part) => size + part.narrowSize, 0),
    sum,
    narrowSum,
  };
}
