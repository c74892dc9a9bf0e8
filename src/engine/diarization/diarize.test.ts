import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diarize } from './diarize.ts';
import { conversation, type FrameTurn } from './fixtures/conversation.ts';
import { speakerLabel } from './turns.ts';

const HOP = 40_000;
const turnsOf = (speakers: number): fc.Arbitrary<FrameTurn[]> =>
  fc.array(
    fc.record({
      speaker: fc.integer({ min: 0, max: speakers - 1 }),
      frames: fc.integer({ min: 20, max: 600 }),
      gap: fc.integer({ min: -60, max: 100 }),
    }),
    { minLength: 1, maxLength: 15 },
  );

/** Turns of at least 5 s: no window hears more than three people, and every one is heard clearly. */
const clearTurns = fc.array(
  fc.record({
    speaker: fc.integer({ min: 0, max: 3 }),
    frames: fc.integer({ min: 300, max: 700 }),
    gap: fc.integer({ min: 3, max: 40 }),
  }),
  { minLength: 2, maxLength: 10 },
);

describe('diarize', () => {
  it('keeps its promises whatever the segmentation says', async () => {
    await fc.assert(
      fc.asyncProperty(turnsOf(5), fc.integer(), fc.constantFrom(HOP, 2 * HOP), async (truth, seed, hop) => {
        const input = conversation(truth, hop, seed);
        const { turns, exclusive, speakers } = await diarize(input);
        for (const own of [exclusive, ...Map.groupBy(turns, ({ speaker }) => speaker).values()]) {
          own.slice(1).forEach((turn, i) => {
            expect(turn.start).toBeGreaterThanOrEqual(own[i]!.end);
          });
        }
        for (const { start, end } of [...turns, ...exclusive]) {
          expect(end).toBeGreaterThan(start);
          expect(end).toBeLessThanOrEqual(input.totalSamples / 16_000);
        }
        expect(speakers.map(({ label }) => label)).toEqual(speakers.map((_, i) => speakerLabel(i)));
        expect([...new Set(turns.map(({ speaker }) => speaker))]).toEqual(speakers.map(({ label }) => label));
        for (const { embedding } of speakers) {
          if (embedding === undefined) continue;
          expect(Math.hypot(...embedding)).toBeCloseTo(1, 4);
        }
      }),
      { numRuns: 25 },
    );
  });

  it('finds the people of a clear conversation, whatever order each window names them in', async () => {
    await fc.assert(
      fc.asyncProperty(clearTurns, fc.integer(), fc.integer(), async (truth, seed, otherSeed) => {
        const result = await diarize(conversation(truth, HOP, seed));
        expect(result.speakers.length).toBe(new Set(truth.map(({ speaker }) => speaker)).size);
        const other = await diarize(conversation(truth, HOP, otherSeed));
        expect(other.turns).toEqual(result.turns);
      }),
      { numRuns: 15 },
    );
  });

  it('never finds more people than allowed, and says when it finds fewer than asked for', async () => {
    await fc.assert(
      fc.asyncProperty(turnsOf(5), fc.integer({ min: 1, max: 4 }), async (truth, speakers) => {
        const input = conversation(truth, HOP, 1);
        expect((await diarize(input, { maxSpeakers: speakers })).speakers.length).toBeLessThanOrEqual(speakers);
        const exact = await diarize(input, { speakers });
        expect(exact.speakers.length).toBeLessThanOrEqual(speakers);
      }),
      { numRuns: 15 },
    );
  });

  it('splits nobody in two to please a wish, and says so', async () => {
    const input = conversation([{ speaker: 0, frames: 1500, gap: 0 }], HOP, 1);
    const { speakers, warnings } = await diarize(input, { speakers: 3 });
    expect(speakers).toHaveLength(1);
    expect(warnings.map(({ code }) => code)).toEqual(['fewer_speakers']);
  });

  it('finds nobody in silence', async () => {
    const input = { classes: new Uint8Array(589), hopSamples: HOP, totalSamples: 160_000 };
    const embed = (): never => expect.unreachable('there is nothing to embed');
    expect(await diarize({ ...input, embed })).toEqual({ turns: [], exclusive: [], speakers: [], warnings: [] });
  });
});
