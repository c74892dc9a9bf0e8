import { FBANK_BINS } from '../../audio/fbank.ts';
import { FRAME_SECONDS } from '../../inference/segmentation/geometry.ts';
import type { SubSegment } from './runs.ts';

/** Mel filters (of 80 from 20 Hz to 8 kHz) whose centres lie in 1 to 3 kHz and in 4.3 to 7.5 kHz. */
const SPEECH_BINS = [27, 53] as const;
const HIGH_BINS = [62, 79] as const;
const LOUDEST_SHARE = 0.3;
/** Natural-logarithm units by which the high band stands below the speech band on telephone-like audio. */
const NARROW_BELOW = -5;
const BLOCK_SECONDS = 10;

/**
 * How far the high band (4.3 to 7.5 kHz) stands above the speech band (1 to 3 kHz), mean of log mel energy, over the
 * loudest 30 % of frames. `features`: fbank, [frames, 80], before their mean is removed.
 */
export function bandDifference(features: Float32Array, frames: number): number {
  const loudness = new Float32Array(frames);
  for (let t = 0; t < frames; t++) loudness[t] = meanOf(features, t, 0, FBANK_BINS);
  const kept = Math.max(1, Math.round(frames * LOUDEST_SHARE));
  const least = loudness.slice().sort()[frames - kept]!;
  let sum = 0;
  let count = 0;
  for (let t = 0; t < frames; t++) {
    if (loudness[t]! < least) continue;
    sum += meanOf(features, t, ...HIGH_BINS) - meanOf(features, t, ...SPEECH_BINS);
    count++;
  }
  return sum / count;
}

function meanOf(features: Float32Array, frame: number, from: number, to: number): number {
  let sum = 0;
  for (let bin = from; bin < to; bin++) sum += features[frame * FBANK_BINS + bin]!;
  return sum / (to - from);
}

/**
 * Band class of each sub-segment, 1 for narrow (telephone) and 0 for wide: the band differences of blocks of 10 s,
 * weighed by speech and smoothed 1-2-1, against a fixed bound. Speakers look more alike on narrow band, so that scores
 * are calibrated for each class on its own.
 */
export function narrowBandFlags(segments: readonly SubSegment[], differences: Float32Array): Uint8Array {
  const blockOf = (segment: SubSegment): number =>
    Math.floor((((segment.start + segment.end) / 2) * FRAME_SECONDS) / BLOCK_SECONDS);
  const blocks = segments.reduce((most, segment) => Math.max(most, blockOf(segment) + 1), 0);
  const sums = new Float64Array(blocks);
  const weights = new Float64Array(blocks);
  segments.forEach((segment, i) => {
    const block = blockOf(segment);
    sums[block]! += segment.weight * differences[i]!;
    weights[block]! += segment.weight;
  });
  const means = sums.map((sum, block) => (weights[block]! > 0 ? sum / weights[block]! : 0));
  const heard = (block: number): number => (block >= 0 && block < blocks && weights[block]! > 0 ? 1 : 0);
  return Uint8Array.from(segments, (segment) => {
    const block = blockOf(segment);
    const before = heard(block - 1);
    const after = heard(block + 1);
    const sum = 2 * means[block]! + (before ? means[block - 1]! : 0) + (after ? means[block + 1]! : 0);
    return sum / (2 + before + after) < NARROW_BELOW ? 1 : 0;
  });
}
