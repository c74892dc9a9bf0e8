import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterCrash, afterServerLoss, aloneUntil, hopelessAfter, isSuspect, type Tried } from './suspicion.ts';

const NEW: Tried = {
  ...{ engineCrashes: 0, crashProgress: 0, serverLosses: 0, lossProgress: 0 },
  ...{ ranLong: true, job: { progress: 0 } },
};

/** What becomes of a job whose servers are lost one after the other, each with it at such a progress. */
function lose(progresses: readonly number[], ranLong = true): Tried {
  let tried = NEW;
  for (const progress of progresses) {
    const running = { ...tried, ranLong, job: { progress } };
    tried = { ...running, ...afterServerLoss(running) };
  }
  return tried;
}

describe('a job whose server is lost', () => {
  it('is suspected from the third time in a row at one place, and given up at the tenth', () => {
    expect([2, 3, 9, 10].map((times) => lose(Array(times).fill(0.4))).map(isSuspect)).toEqual([
      false,
      true,
      true,
      true,
    ]);
    expect(aloneUntil(lose([0.4, 0.4, 0.4]))).toBeCloseTo(0.401);
    expect(hopelessAfter(lose(Array(9).fill(0)))).toBeUndefined();
    expect(hopelessAfter(lose(Array(10).fill(0)))).toMatchObject({ code: 'engine_crashed' });
  });

  it('is not suspected while it gets further, nor any more once it did', () => {
    const steps = fc.array(fc.double({ min: 0.002, max: 0.02, noNaN: true }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(steps, (advances) => {
        let progress = 0;
        const lost = lose(
          advances.map((advance) => {
            progress += advance;
            return progress;
          }),
        );
        expect([lost.serverLosses, isSuspect(lost)]).toEqual([1, false]);
      }),
    );
    const suspect = lose([0.4, 0.4, 0.4]);
    expect(isSuspect({ ...suspect, job: { progress: 0.5 } })).toBe(false);
    expect(lose([0.4, 0.4, 0.4, 0.5]).serverLosses).toBe(1);
  });

  it('is not blamed for servers that lived too short for it to get further', () => {
    expect(lose(Array(100).fill(0), false).serverLosses).toBe(0);
  });

  it('is held back by crashes of its engine as well, up to the later place', () => {
    let crashed = NEW;
    for (const reached of [0.2, 0.2]) crashed = { ...crashed, ...afterCrash(crashed, reached, false) };
    expect(aloneUntil(crashed)).toBeCloseTo(0.201);
    const both = { ...lose([0.6, 0.6, 0.6]), engineCrashes: 2, crashProgress: 0.2 };
    expect(aloneUntil(both)).toBeCloseTo(0.601);
  });
});
