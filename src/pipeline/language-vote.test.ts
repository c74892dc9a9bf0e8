import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LanguageVote } from './language-vote.ts';

const heard = (...pairs: readonly (readonly [string, number])[]) => new Map(pairs);
/** True once the promise is settled, without waiting for it. */
const settled = (promise: Promise<unknown>) =>
  Promise.race([promise.then(() => true), new Promise((resolve) => setImmediate(() => resolve(false)))]);

it('decides by one chunk where it is told that there is no other', async () => {
  const vote = new LanguageVote();
  vote.cast(heard(['de', 0.7], ['nl', 0.2], ['en', 0.1]));
  expect(await settled(vote.verdict)).toBe(false);
  vote.close(1);
  expect(await vote.verdict).toMatchObject({
    language: 'de',
    probability: 0.7,
    runnerUp: { language: 'nl', probability: 0.2 },
  });
});

it('decides by three chunks, however many follow', async () => {
  const vote = new LanguageVote();
  vote.cast(heard(['nl', 0.6], ['de', 0.4]));
  vote.cast(heard(['nl', 0.55], ['de', 0.45]));
  expect(await settled(vote.verdict)).toBe(false);
  vote.cast(heard(['de', 0.98], ['nl', 0.02]));
  // One clear chunk outweighs two doubtful ones.
  const { language, probability } = await vote.verdict;
  expect(language).toBe('de');
  expect(probability).toBeCloseTo(0.61, 9);
  vote.close(40);
  expect((await vote.verdict).language).toBe('de');
});

it('always decides, for the language heard most, once every chunk has been heard, whenever it is told how many there are', async () => {
  const ballot = fc.record({
    de: fc.double({ min: 0, max: 1, noNaN: true }),
    en: fc.double({ min: 0, max: 1, noNaN: true }),
    ja: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(ballot, { minLength: 1, maxLength: 3 }), fc.nat(3), async (ballots, closedAfter) => {
      const vote = new LanguageVote();
      ballots.forEach((each, index) => {
        if (index === closedAfter) vote.close(ballots.length);
        vote.cast(new Map(Object.entries(each)));
      });
      vote.close(ballots.length);
      const verdict = await vote.verdict;
      const mean = (language: 'de' | 'en' | 'ja') =>
        ballots.reduce((sum, each) => sum + each[language], 0) / ballots.length;
      expect(verdict.probability).toBeCloseTo(Math.max(mean('de'), mean('en'), mean('ja')), 9);
      expect(verdict.runnerUp.probability).toBeLessThanOrEqual(verdict.probability);
    }),
  );
});
