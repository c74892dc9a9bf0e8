import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAME_STEP_SAMPLES, firstFrameOfWindow, WINDOW_FRAMES } from '../../inference/segmentation/geometry.ts';
import { SpeechRegionDetector, speechRegions, speechSeconds } from './speech-regions.ts';

const HOP = 80_000;

/** Windows of a recording in which `speaks(frame)` holds on the grid of the whole recording. */
function windows(count: number, speaks: (frame: number) => boolean, hop = HOP): Uint8Array {
  const classes = new Uint8Array(count * WINDOW_FRAMES);
  for (let window = 0; window < count; window++) {
    const first = firstFrameOfWindow(window * hop);
    for (let i = 0; i < WINDOW_FRAMES; i++) classes[window * WINDOW_FRAMES + i] = speaks(first + i) ? 1 + (i % 6) : 0;
  }
  return classes;
}

const totalSamples = (count: number, hop = HOP) => (count - 1) * hop + 160_000;

describe('speech regions', () => {
  it('stand where the frames that say so are centred', () => {
    const regions = speechRegions(
      windows(3, (frame) => frame >= 100 && frame < 200),
      totalSamples(3),
      { hopSamples: HOP },
    );
    expect(regions).toEqual([{ startSample: 100 * 270 + 495 - 135, endSample: 199 * 270 + 495 + 135 }]);
    expect(speechSeconds(regions)).toBeCloseTo((100 * 270) / 16_000, 6);
  });

  it('are none where nobody speaks', () => {
    expect(
      speechRegions(
        windows(3, () => false),
        totalSamples(3),
        { hopSamples: HOP },
      ),
    ).toEqual([]);
  });

  it('reach from the first sample to the last where somebody always speaks', () => {
    expect(
      speechRegions(
        windows(4, () => true),
        395_000,
        { hopSamples: HOP },
      ),
    ).toEqual([{ startSample: 0, endSample: 395_000 }]);
  });

  it('bridge short pauses, keep long ones, and drop clicks', () => {
    const pauseFrames = Math.ceil((0.1 * 16_000) / FRAME_STEP_SAMPLES);
    const speaks = (frame: number) =>
      (frame >= 50 && frame < 100) ||
      (frame >= 100 + pauseFrames - 1 && frame < 200) ||
      (frame >= 200 + pauseFrames && frame < 300) ||
      (frame >= 400 && frame < 403);
    const regions = speechRegions(windows(2, speaks), totalSamples(2), { hopSamples: HOP });
    expect(regions.map(({ startSample }) => Math.round((startSample - 360) / 270))).toEqual([50, 200 + pauseFrames]);
  });

  it('follow the middle of a window, not its edge, where windows disagree', () => {
    const classes = windows(2, () => false);
    const second = firstFrameOfWindow(HOP);
    // The first window hears speech in its last second only, where the second window, nearer its middle, hears none.
    classes.fill(1, WINDOW_FRAMES - 30, WINDOW_FRAMES);
    expect(speechRegions(classes, totalSamples(2), { hopSamples: HOP })).toEqual([]);
    classes.fill(1, WINDOW_FRAMES + (WINDOW_FRAMES - 30 - second), 2 * WINDOW_FRAMES - second);
    expect(speechRegions(classes, totalSamples(2), { hopSamples: HOP })).toHaveLength(1);
  });
});

it('come the same, as early as they are certain, in whatever order the windows come', () => {
  const scene = fc.record({
    count: fc.integer({ min: 1, max: 8 }),
    hop: fc.constantFrom(40_000, 80_000, 160_000),
    speech: fc.array(fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 1, max: 200 })), { maxLength: 20 }),
    tail: fc.integer({ min: 0, max: 39_999 }),
    seed: fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
  });
  fc.assert(
    fc.property(scene, ({ count, hop, speech, tail, seed }) => {
      const on = new Set(speech.flatMap(([from, length]) => Array.from({ length }, (_, i) => from + i)));
      const classes = windows(count, (frame) => on.has(frame), hop);
      const total = totalSamples(count, hop) - tail;
      const whole = speechRegions(classes, total, { hopSamples: hop });
      const order = Array.from({ length: count }, (_, i) => i).sort((a, b) => seed[a]! - seed[b]!);
      const detector = new SpeechRegionDetector({ hopSamples: hop });
      const buffer = new Uint8Array(WINDOW_FRAMES);
      const streamed = order.flatMap((window) => {
        buffer.set(classes.subarray(window * WINDOW_FRAMES, (window + 1) * WINDOW_FRAMES));
        return detector.push(window, buffer);
      });
      streamed.push(...detector.flush(total));
      expect(streamed).toEqual(whole);
      let end = -1;
      for (const region of whole) {
        expect(region.startSample).toBeGreaterThan(end);
        expect(region.endSample).toBeGreaterThan(region.startSample);
        expect(region.endSample).toBeLessThanOrEqual(total);
        end = region.endSample;
      }
    }),
    { numRuns: 200 },
  );
});

it('are given as soon as a window begins behind them', () => {
  const detector = new SpeechRegionDetector({ hopSamples: HOP });
  const classes = windows(2, (frame) => frame >= 10 && frame < 100);
  expect(detector.push(0, classes.subarray(0, WINDOW_FRAMES))).toEqual([]);
  expect(detector.push(1, classes.subarray(WINDOW_FRAMES))).toHaveLength(1);
  expect(detector.flush(totalSamples(2))).toEqual([]);
});
