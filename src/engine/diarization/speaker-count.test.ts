import { expect, it } from 'vitest';
import type { Calibration } from './calibration.ts';
import { itemsAround } from './fixtures/voices.ts';
import { boundSpeakers, type SpeakerBounds } from './speaker-count.ts';

const calibration: Calibration = { wide: { same: 0.6, different: 0.1 }, narrow: { same: 0.7, different: 0.4 } };

/** Items around so many voices, a second of speech each, all taken for one speaker; and what the bounds make of that. */
function bound(count: number, voices: number, bounds: SpeakerBounds) {
  const { truth, ...items } = itemsAround(3, count, voices, 0.6);
  const weighted = { ...items, weights: new Float32Array(count).fill(1) };
  const one = { labels: new Int32Array(count), count: 1 };
  return { truth, bounded: boundSpeakers(weighted, one, calibration, bounds) };
}

it('splits one cluster into the voices that it holds', async () => {
  const { truth, bounded } = bound(400, 3, { speakers: 3 });
  const { labels, count, warnings } = await bounded;
  expect(count).toBe(3);
  expect(warnings).toEqual([]);
  const voiceOf = new Map(truth.map((voice, i) => [labels[i], voice]));
  expect(truth.map((_, i) => voiceOf.get(labels[i]))).toEqual(truth);
});

it('leaves other clusters as they are, and merges down again where too many were found', async () => {
  const { truth, bounded } = bound(400, 4, { minSpeakers: 4 });
  const { labels, count } = await bounded;
  expect([count, new Set(truth.map((voice, i) => `${voice} ${labels[i]}`)).size]).toEqual([4, 4]);
  const { vectors, narrow } = itemsAround(3, 400, 4, 0.6);
  const weights = new Float32Array(400).fill(1);
  const merged = await boundSpeakers({ vectors, narrow, weights }, { labels, count }, calibration, { maxSpeakers: 2 });
  expect([merged.count, new Set(merged.labels).size]).toEqual([2, 2]);
});

it('looks for a second voice in two hours of one without keeping its thread from anything else', async () => {
  let longestGapMs = 0;
  let before = performance.now();
  const timer = setInterval(() => {
    longestGapMs = Math.max(longestGapMs, performance.now() - before);
    before = performance.now();
  }, 5);
  try {
    const { bounded } = bound(7200, 1, { speakers: 2 });
    before = performance.now();
    const { count, warnings } = await bounded;
    expect(count).toBe(1);
    expect(warnings.map(({ code }) => code)).toEqual(['fewer_speakers']);
  } finally {
    clearInterval(timer);
  }
  // A tenth of the 60 s after which an engine without a sign of life is ended; some 0.1 s on a free core.
  expect(longestGapMs).toBeLessThan(6000);
}, 60_000);
