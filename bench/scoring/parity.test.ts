import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Turn } from '../../src/transcript/types.ts';
import { defaultPeerCache } from '../contenders/peer-python.ts';
import { diarizationErrors } from './diarization-error.ts';
import { scoredWords } from './text-errors.ts';

const PYTHON = join(defaultPeerCache(), 'venv', 'bin', 'python');
const SCRIPT = new URL('fixtures/reference_scores.py', import.meta.url).pathname;
const isInstalled = existsSync(PYTHON);
if (!isInstalled)
  console.warn(
    'bench/scoring/parity.test.ts is skipped: the reference scorers of the peers’ setup.sh are not installed.',
  );

interface ReferenceScores {
  readonly texts: readonly string[];
  readonly diarization: readonly (readonly [number, number, number, number])[];
}

function referenceScores(request: object): ReferenceScores {
  const output = execFileSync(PYTHON, [SCRIPT], { input: JSON.stringify(request), maxBuffer: 1 << 28 });
  return JSON.parse(output.toString()) as ReferenceScores;
}

const SEED = 20261121;

/** Words that numbers, money, contractions and spelling rules act on, and some that they do not. */
const vocabulary =
  `one two three seven ten eleven fifteen twenty thirty ninety hundred thousand million billion zero oh o first second
  third fifth twelfth twentieth sixties hundreds thousandth and a half point double triple minus plus percent per cent
  dollars dollar pounds euro cents 5 10 2.5 100 $20 1,000 3rd 60s £5 ¢7 .5 1 21st 10km 50% the colour organised don't it's
  he'd they'll Mr. Dr. St. um mhm gonna 'cause naïve Straße … “quote” [noise] (aside) <unk> cancelled travelling theatre`.split(
    /\s+/,
  );

describe.skipIf(!isInstalled)('parity with whisper_normalizer 0.1.15 and pyannote.metrics 4.2.0', () => {
  it('normalises any mixture of words as the reference does', () => {
    const phrases = fc
      .array(fc.constantFrom(...vocabulary), { minLength: 1, maxLength: 10 })
      .map((words) => words.join(' '));
    const texts = fc.sample(phrases, { numRuns: 3000, seed: SEED }).flatMap((text) => [
      { text, language: 'en' },
      { text, language: 'de' },
      { text: `${text} 今天，好`, language: 'zh' },
    ]);
    const reference = referenceScores({ texts, diarization: [] });
    expect(texts.map(({ text, language }) => scoredWords(text, language).join(' '))).toEqual(reference.texts);
  });

  it('counts diarization errors to a microsecond as the reference does', () => {
    const turnsOf = (labels: readonly string[]): fc.Arbitrary<Turn[]> =>
      fc
        .array(fc.tuple(fc.constantFrom(...labels), fc.integer({ min: 5, max: 800 })), { maxLength: 14 })
        .map((plans) => {
          // Turns of one speaker follow each other, as diarization and RTTM have them.
          const clock = new Map<string, number>();
          return plans.map(([speaker, hundredths], index) => {
            const start = (clock.get(speaker) ?? index / 3) + 0.01 * (index % 4);
            clock.set(speaker, start + hundredths / 100 + 0.01);
            return { speaker, start, end: start + hundredths / 100 };
          });
        });
    const cases = fc.sample(
      fc.record({
        reference: turnsOf(['A', 'B', 'C']),
        hypothesis: turnsOf(['x', 'y', 'z', 'w']),
        duration: fc.constant(30),
        collar: fc.constantFrom(0, 0.25, 0.5),
      }),
      { numRuns: 300, seed: SEED },
    );
    const reference = referenceScores({ texts: [], diarization: cases });
    for (const [index, own] of cases.entries()) {
      const errors = diarizationErrors(own.reference, own.hypothesis, own.duration, own.collar);
      const ours = [errors.total, errors.missed, errors.falseAlarm, errors.confusion];
      for (const [part, value] of ours.entries())
        expect(value, JSON.stringify(own)).toBeCloseTo(reference.diarization[index]![part]!, 5);
    }
  });
});
