import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Calibration, scoreOf } from './calibration.ts';
import { BLOCK_ITEMS, buildDendrogram, clusterItems, cutDendrogram, type Items } from './clustering.ts';
import { itemsAround } from './fixtures/voices.ts';
import { rowDot } from './vectors.ts';

const calibration: Calibration = { wide: { same: 0.6, different: 0.1 }, narrow: { same: 0.7, different: 0.4 } };

/** The textbook algorithm: always the two most alike of all clusters. */
function greedy({ vectors, narrow }: Items, threshold: number): number[][] {
  let clusters = Array.from(narrow, (_, i) => [i]);
  const pair = (i: number, j: number): number =>
    scoreOf(calibration, rowDot(vectors, i, vectors, j), narrow[i] === 1 && narrow[j] === 1);
  for (;;) {
    let best = { score: Number.NEGATIVE_INFINITY, a: 0, b: 0 };
    for (let b = 1; b < clusters.length; b++) {
      for (let a = 0; a < b; a++) {
        const scores = clusters[a]!.flatMap((i) => clusters[b]!.map((j) => pair(i, j)));
        const score = scores.reduce((sum, value) => sum + value, 0) / scores.length;
        if (score > best.score) best = { score, a, b };
      }
    }
    if (best.score < threshold) return clusters.toSorted((x, y) => x[0]! - y[0]!);
    const joined = [...clusters[best.a]!, ...clusters[best.b]!].sort((x, y) => x - y);
    clusters = [...clusters.filter((_, i) => i !== best.a && i !== best.b), joined];
  }
}

function groups(labels: Int32Array): number[][] {
  return [...Map.groupBy(labels.keys(), (i) => labels[i]!).values()];
}

describe('average-linkage clustering', () => {
  it('finds the clusters of the textbook algorithm', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 1, max: 28 }),
        fc.integer({ min: 1, max: 6 }),
        fc.double({ min: 0.2, max: 3, noNaN: true }),
        async (seed, count, speakers, spread) => {
          const items = itemsAround(seed, count, speakers, spread);
          expect(groups((await clusterItems(items, calibration, 0.6)).labels)).toEqual(greedy(items, 0.6));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('builds one dendrogram that holds the clusters of every threshold', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 1, max: 28 }),
        fc.double({ min: 0.2, max: 3, noNaN: true }),
        fc.double({ min: -0.6, max: 1, noNaN: true }),
        async (seed, count, spread, threshold) => {
          const items = itemsAround(seed, count, 3, spread);
          const dendrogram = await buildDendrogram(items, calibration, -0.6, -0.6);
          expect(groups(cutDendrogram(dendrogram, threshold).labels)).toEqual(greedy(items, threshold));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('joins the clusters of blocks where there are too many items to compare at once', async () => {
    const items = itemsAround(5, BLOCK_ITEMS + 200, 4, 0.6);
    const { labels, count } = await clusterItems(items, calibration, 0.6);
    expect(count).toBe(4);
    expect(groups(labels)).toEqual(groups(Int32Array.from(items.truth)));
  });
});
