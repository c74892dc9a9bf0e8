import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LanguageVote } from './language-vote.ts';

const heard = (...pairs: readonly (readonly [string, number])[]) => new Map(pairs);
/** True once the promise is settled, without waiting for it. */
const settled = (promise: Promise<unknown>) =>
  Promise.race([promise.then(() => true), new Promise((resolve) => setImmediate(() => resolve(false)))]);

it('decides at once where one chunk is all there is', async () => {
  const vote = new LanguageVote();
  vote.start();
  const verdict = await vote.ask(heard(['de', 0.7], ['nl', 0.2], ['en', 0.1]));
  expect(verdict).toMatchObject({ language: 'de', probability: 0.7, runnerUp: { language: 'nl', probability: 0.2 } });
});

it('waits for the chunks on their way, up to three, and tells all the same', async () => {
  const vote = new LanguageVote();
  for (let chunk = 0; chunk < 5; chunk++) vote.start();
  const first = vote.ask(heard(['nl', 0.6], ['de', 0.4]));
  const second = vote.ask(heard(['nl', 0.55], ['de', 0.45]));
  expect(await settled(first)).toBe(false);
  const third = vote.ask(heard(['de', 0.98], ['nl', 0.02]));
  const verdicts = await Promise.all([first, second, third]);
  // One clear chunk outweighs two doubtful ones.
  expect(verdicts.map(({ language }) => language)).toEqual(['de', 'de', 'de']);
  expect(verdicts[0]!.probability).toBeCloseTo(0.61, 9);
  const late = await vote.ask(heard(['fr', 1]));
  expect(late.language).toBe('de');
});

it('always decides, for the language heard most, once every chunk that was started has been heard', async () => {
  const ballot = fc.record({
    de: fc.double({ min: 0, max: 1, noNaN: true }),
    en: fc.double({ min: 0, max: 1, noNaN: true }),
    ja: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(ballot, { minLength: 1, maxLength: 6 }), async (ballots) => {
      const vote = new LanguageVote();
      for (const _ of ballots) vote.start();
      const verdicts = await Promise.all(ballots.map((each) => vote.ask(new Map(Object.entries(each)))));
      const counted = ballots.slice(0, 3);
      const mean = (language: 'de' | 'en' | 'ja') =>
        counted.reduce((sum, each) => sum + each[language], 0) / counted.length;
      const best = Math.max(mean('de'), mean('en'), mean('ja'));
      for (const verdict of verdicts) {
        expect(verdict.probability).toBeCloseTo(best, 9);
        expect(verdict.runnerUp.probability).toBeLessThanOrEqual(verdict.probability);
      }
    }),
  );
});
