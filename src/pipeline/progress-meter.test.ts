import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ProgressMeter } from './progress-meter.ts';
import type { Progress } from './types.ts';

type Step = (meter: ProgressMeter) => void;

const seconds = fc.double({ min: 0, max: 4000, noNaN: true });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(seconds, fc.option(seconds, { nil: undefined })).map(
    ([decoded, total]): Step =>
      (meter) =>
        meter.decoded(decoded, total),
  ),
  seconds.map(
    (value): Step =>
      (meter) =>
        meter.segmented(value),
  ),
  seconds.map(
    (value): Step =>
      (meter) =>
        meter.found(value),
  ),
  seconds.map(
    (value): Step =>
      (meter) =>
        meter.recognized(value),
  ),
  fc.double({ min: 0, max: 1, noNaN: true }).map(
    (value): Step =>
      (meter) =>
        meter.diarized(value),
  ),
);

it('never falls, and reaches 1 only when the results are merged, whatever the stages report', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 40 }), fc.boolean(), (steps, diarize) => {
      const seen: Progress[] = [];
      const meter = new ProgressMeter('x', diarize, (progress) => seen.push(progress));
      for (const step of steps) step(meter);
      const before = seen.map(({ fraction }) => fraction);
      expect(before).toEqual(before.toSorted((a, b) => a - b));
      expect(before.every((fraction) => fraction >= 0 && fraction < 1)).toBe(true);
      meter.merging();
      expect(seen.at(-1)).toMatchObject({ id: 'x', stage: 'merge', fraction: 1 });
    }),
  );
});

/** Reports of a recording of 100 s with 60 s of speech in six chunks, in the order the pipeline makes them. */
function wholeRun(diarize: boolean): Progress[] {
  const seen: Progress[] = [];
  const meter = new ProgressMeter('x', diarize, (progress) => seen.push(progress));
  for (let done = 20; done <= 100; done += 20) meter.decoded(done, 100);
  for (let part = 0; part < 4; part++) meter.segmented(25);
  for (let chunk = 0; chunk < 6; chunk++) meter.found(10);
  for (let chunk = 0; chunk < 6; chunk++) meter.recognized(10);
  if (diarize) for (let part = 1; part <= 4; part++) meter.diarized(part / 4);
  meter.merging();
  return seen;
}

it.each([false, true])('names the stages in order and rises with each report (speakers: %s)', (diarize) => {
  const seen = wholeRun(diarize);
  const stages = [...new Set(seen.map(({ stage }) => stage))];
  expect(stages).toEqual(['decode', 'segment', 'transcribe', ...(diarize ? ['diarize'] : []), 'merge']);
  const fractions = seen.map(({ fraction }) => fraction);
  for (let i = 1; i < fractions.length; i++) expect(fractions[i]).toBeGreaterThan(fractions[i - 1]!);
  expect(seen.at(-2)!.fraction).toBeGreaterThan(0.95);
  expect(seen.map(({ doneSeconds }) => doneSeconds)).toEqual(
    seen.map(({ doneSeconds }) => doneSeconds).toSorted((a, b) => a - b),
  );
  expect(seen.at(-1)).toMatchObject({ audioSeconds: 100, doneSeconds: 100 });
});

it('knows the length only as it is read where the file does not tell it', () => {
  const seen: Progress[] = [];
  const meter = new ProgressMeter('x', false, (progress) => seen.push(progress));
  meter.decoded(10, undefined);
  meter.decoded(30, undefined);
  expect(seen.map(({ audioSeconds }) => audioSeconds)).toEqual([10, 30]);
});
