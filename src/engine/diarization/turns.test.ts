import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bridgePauses, labelsInOrder, type SpeakerTurn, turnsOf } from './turns.ts';

const frameSpeakers = fc
  .array(fc.tuple(fc.integer({ min: -1, max: 3 }), fc.integer({ min: -1, max: 3 }), fc.integer({ min: 1, max: 90 })), {
    maxLength: 40,
  })
  .map((stretches) => {
    const first = stretches.flatMap(([speaker, , frames]) => Array<number>(frames).fill(speaker));
    const second = stretches.flatMap(([a, b, frames]) => Array<number>(frames).fill(a >= 0 && a !== b ? b : -1));
    return { first: Int32Array.from(first), second: Int32Array.from(second) };
  });
const samplesOf = (frames: number): number => Math.max(1, frames * 270 - 1);
const seconds = (turns: readonly SpeakerTurn[]): number => turns.reduce((sum, { start, end }) => sum + end - start, 0);

function expectOneAtATime(turns: readonly SpeakerTurn[]): void {
  turns.slice(1).forEach((turn, i) => {
    expect(turn.start).toBeGreaterThanOrEqual(turns[i]!.end);
  });
}

describe('turns', () => {
  it('never overlap for one speaker, bridged or not, and stay within the recording', () => {
    fc.assert(
      fc.property(frameSpeakers, fc.double({ min: 0, max: 3, noNaN: true }), (frames, pause) => {
        const total = samplesOf(frames.first.length);
        const plain = turnsOf(frames, total);
        const bridged = bridgePauses(plain, pause);
        for (const turns of [plain, bridged]) {
          for (const own of Map.groupBy(turns, ({ speaker }) => speaker).values()) expectOneAtATime(own);
          for (const { start, end } of turns) {
            expect(start).toBeGreaterThanOrEqual(0);
            expect(end).toBeGreaterThan(start);
            expect(end).toBeLessThanOrEqual(total / 16_000);
          }
        }
        expect(seconds(bridged)).toBeGreaterThanOrEqual(seconds(plain) - 1e-9);
        expect(bridgePauses(bridged, pause)).toEqual(bridged);
      }),
    );
  });

  it('never overlap at all where each frame has one speaker', () => {
    fc.assert(
      fc.property(frameSpeakers, ({ first }) => {
        expectOneAtATime(turnsOf({ first, second: new Int32Array(first.length).fill(-1) }, samplesOf(first.length)));
      }),
    );
  });

  it('name speakers in order of first speech', () => {
    const turn = (start: number, speaker: number): SpeakerTurn => ({ start, end: start + 1, speaker });
    expect([...labelsInOrder([turn(0, 7), turn(1, 2), turn(2, 7), turn(3, 0)])]).toEqual([
      [7, 'SPEAKER_00'],
      [2, 'SPEAKER_01'],
      [0, 'SPEAKER_02'],
    ]);
  });

  it('are joined across a pause in which nobody talks, and only there', () => {
    const a = { start: 0, end: 2, speaker: 0 };
    const b = { start: 3, end: 6, speaker: 0 };
    expect(bridgePauses([a, b], 1.5)).toEqual([{ start: 0, end: 6, speaker: 0 }]);
    expect(bridgePauses([a, { start: 2.2, end: 2.8, speaker: 1 }, b], 1.5)).toHaveLength(3);
    expect(bridgePauses([a, { ...b, start: 3.6 }], 1.5)).toHaveLength(2);
  });

  it('keep a single word apart that stands further off than it is long', () => {
    const word = { start: 0, end: 0.4, speaker: 0 };
    expect(bridgePauses([word, { start: 1, end: 6, speaker: 0 }], 1.5)).toHaveLength(2);
    expect(bridgePauses([word, { start: 0.7, end: 6, speaker: 0 }], 1.5)).toHaveLength(1);
  });

  it('are joined from both sides, whatever the order', () => {
    const pieces = [
      { start: 0, end: 3, speaker: 0 },
      { start: 3.7, end: 4.1, speaker: 0 },
      { start: 4.3, end: 8, speaker: 0 },
    ];
    expect(bridgePauses(pieces, 1.5)).toEqual([{ start: 0, end: 8, speaker: 0 }]);
  });
});
