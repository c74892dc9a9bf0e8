/** Half the width of the median filter (7). Source: openai-whisper `timing.py`, `medfilt_width`. */
export const MEDIAN_RADIUS = 3;

/** Elements a padded line needs for `frames` values: the mirrored ends, and one that an odd count reads and ignores. */
export function paddedLength(frames: number): number {
  return frames + 2 * MEDIAN_RADIUS + 2;
}

/** Mirrors the ends of a line whose values stand at `MEDIAN_RADIUS` and after, without repeating the outermost value. */
export function mirrorEnds(line: Int32Array, frames: number): void {
  const first = MEDIAN_RADIUS;
  const last = MEDIAN_RADIUS + frames - 1;
  for (let step = 1; step <= MEDIAN_RADIUS; step++) {
    line[first - step] = line[first + step]!;
    line[last + step] = line[last - step]!;
  }
}

/**
 * Adds the medians of 7 of a mirrored line to `target[to .. to + frames)`. Values must be under 2^30 in magnitude.
 *
 * Two neighbouring windows share six values: with the middle two of those, low and high, a window's median is its seventh
 * value clamped between them. The six are three sorted pairs (A, B, C), of which the next two windows use two again: ten
 * comparisons an output. Integers, because two of them are put in order without a branch; on attention, which is noise
 * almost everywhere, mispredicted branches take three times as long.
 */
export function addMedians(line: Int32Array, target: Int32Array, to: number, frames: number): void {
  const swapA = negativePart((line[1]! - line[2]!) | 0);
  let lowA = (line[2]! + swapA) | 0;
  let highA = (line[1]! - swapA) | 0;
  const swapB = negativePart((line[3]! - line[4]!) | 0);
  let lowB = (line[4]! + swapB) | 0;
  let highB = (line[3]! - swapB) | 0;
  for (let frame = 0; frame < frames; frame += 2) {
    const fifth = line[frame + 5]!;
    const sixth = line[frame + 6]!;
    const swapC = negativePart((fifth - sixth) | 0);
    const lowC = (sixth + swapC) | 0;
    const highC = (fifth - swapC) | 0;

    // The lowest low and the highest high of three pairs cannot be in the middle of six.
    const swapLows = negativePart((lowA - lowB) | 0);
    const largerLow = (lowA - swapLows) | 0;
    const smallerLow = (lowB + swapLows) | 0;
    const swapLargest = negativePart((largerLow - lowC) | 0);
    const low3 = (largerLow - swapLargest) | 0;
    const low2 = larger(smallerLow, (lowC + swapLargest) | 0);
    const swapHighs = negativePart((highA - highB) | 0);
    const smallerHigh = (highB + swapHighs) | 0;
    const largerHigh = (highA - swapHighs) | 0;
    const swapSmallest = negativePart((smallerHigh - highC) | 0);
    const high1 = (highC + swapSmallest) | 0;
    const high2 = smaller(largerHigh, (smallerHigh - swapSmallest) | 0);

    const middleA = larger(low2, high1);
    const middleB = smaller(low3, high2);
    const swapMiddle = negativePart((middleA - middleB) | 0);
    const low = (middleB + swapMiddle) | 0;
    const high = (middleA - swapMiddle) | 0;
    target[to + frame] = (target[to + frame]! + smaller(larger(line[frame]!, low), high)) | 0;
    if (frame + 1 < frames) {
      target[to + frame + 1] = (target[to + frame + 1]! + smaller(larger(line[frame + 7]!, low), high)) | 0;
    }
    lowA = lowB;
    highA = highB;
    lowB = lowC;
    highB = highC;
  }
}

const negativePart = (value: number): number => value & (value >> 31);
const smaller = (a: number, b: number): number => (b + negativePart((a - b) | 0)) | 0;
const larger = (a: number, b: number): number => (a - negativePart((a - b) | 0)) | 0;
