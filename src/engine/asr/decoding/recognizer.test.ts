import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiaristError } from '../../../core/errors.ts';
import { openTinyModel, type TinyModel, tinyAudio } from '../fixtures/tiny-model.ts';
import type { RecognitionTask, RecognizedWindow } from './recognizer.ts';
import { HIDDEN } from './whisper-model.ts';

const CAPACITY = 4;

/** A window of the tiny model's noise; every seed sounds different. */
const task = (seed: number, given: Partial<RecognitionTask> = {}): RecognitionTask => ({
  audio: () => tinyAudio(seed),
  language: 'en',
  task: 'transcribe',
  beams: 1,
  attention: false,
  ...given,
});

/** What has to be the same whatever company a window had. */
const essence = ({ text, tokens, temperature, language }: RecognizedWindow) => ({
  text,
  tokens,
  temperature,
  language,
});

async function oneByOne({ recognizer }: TinyModel, tasks: readonly RecognitionTask[]): Promise<RecognizedWindow[]> {
  const results: RecognizedWindow[] = [];
  for (const each of tasks) results.push(await recognizer.recognize(each));
  return results;
}

const together = ({ recognizer }: TinyModel, tasks: readonly RecognitionTask[]): Promise<RecognizedWindow[]> =>
  Promise.all(tasks.map((each) => recognizer.recognize(each)));

let tiny: TinyModel;
beforeAll(async () => {
  tiny = await openTinyModel({ precision: 'int8', capacity: CAPACITY });
});
afterAll(() => tiny[Symbol.asyncDispose]());

describe.each([1, 5])('with %i hypotheses', (beams) => {
  const tasks = [0, 1, 2, 3, 6].map((seed) => task(seed, { beams }));
  let alone: RecognizedWindow[];
  beforeAll(async () => {
    alone = await oneByOne(tiny, tasks);
  });

  it('finds texts that depend on what is heard', () => {
    expect(new Set(alone.map(({ text }) => text)).size).toBeGreaterThan(3);
    expect(alone.some(({ tokens }) => tokens.length > 64)).toBe(true);
  });

  it('gives a window the same tokens when every thread encodes it', async () => {
    const hurried = await oneByOne(
      tiny,
      tasks.map((each) => ({ ...each, alone: true })),
    );
    expect(hurried.map(essence)).toEqual(alone.map(essence));
  });

  it('gives a window the same tokens alone and in any company', async () => {
    const batched = await together(tiny, tasks);
    expect(batched.map(essence)).toEqual(alone.map(essence));
    const backwards = await together(tiny, tasks.toReversed());
    expect(backwards.map(essence)).toEqual(alone.toReversed().map(essence));
  });

  it('gives a window the same tokens whatever the room', async () => {
    await using narrow = await openTinyModel({ precision: 'int8', capacity: 2 });
    expect((await together(narrow, tasks)).map(essence)).toEqual(alone.map(essence));
  });

  it('gives a window the same tokens when it enters while others are half-way', async () => {
    const late: Promise<RecognizedWindow>[] = [];
    const early = tasks.slice(0, 2).map((each) => tiny.recognizer.recognize(each));
    for (const each of tasks.slice(2)) {
      for (let turns = 0; turns < 15; turns++) await turn();
      late.push(tiny.recognizer.recognize(each));
    }
    expect((await Promise.all([...early, ...late])).map(essence)).toEqual(alone.map(essence));
  });
});

it('gives a window the same samples in any company when it falls back to higher temperatures', async () => {
  await using unsure = await openTinyModel({ precision: 'int8', capacity: CAPACITY, sharpness: 0.6 });
  const tasks = [0, 1, 2, 3].map((seed) => task(seed));
  const alone = await oneByOne(unsure, tasks);
  expect(alone.some(({ temperature }) => temperature > 0)).toBe(true);
  expect((await together(unsure, tasks)).map(essence)).toEqual(alone.map(essence));
});

it('mixes windows of one and of many hypotheses without changing either', async () => {
  const tasks = [0, 1, 2, 3].map((seed) => task(seed, { beams: seed % 2 === 0 ? 1 : 5 }));
  const alone = await oneByOne(tiny, tasks);
  expect((await together(tiny, tasks)).map(essence)).toEqual(alone.map(essence));
});

it('writes the same text whether or not attention is kept', async () => {
  const bare = await tiny.recognizer.recognize(task(3));
  const attentive = await tiny.recognizer.recognize(task(3, { attention: true }));
  expect(essence(attentive)).toEqual(essence(bare));
  expect(bare.attention).toEqual([]);
  // One row a prompt token, then one a text token.
  expect(attentive.attention).toHaveLength(attentive.firstRow + 1 + attentive.tokens.length);
  const { heads, frames } = attentive;
  for (const row of attentive.attention) {
    expect(row).toHaveLength(heads * frames);
    for (let head = 0; head < heads; head++) {
      const sum = row.subarray(head * frames, (head + 1) * frames).reduce((total, weight) => total + weight, 0);
      // The rest lies beyond the end of the audio.
      expect(sum).toBeGreaterThan(0);
      expect(sum).toBeLessThan(1.0001);
    }
  }
});

it.each([1, 5])('keeps the attention of the very hypothesis it answers with, of %i', async (beams) => {
  await using exact = await openTinyModel({ precision: 'float32', capacity: 1 });
  const { model, tokenizer, recognizer } = exact;
  const window = await recognizer.recognize(task(2, { beams, attention: true }));
  // The same text fed at once to the window that still lies in the slot.
  const fed = [...tokenizer.sotSequence('en', 'transcribe'), tokenizer.special.noTimestamps, ...window.tokens];
  const n = fed.length;
  const newMask = new Float32Array(n * n);
  for (let row = 0; row < n; row++) newMask.fill(HIDDEN, row * n + row + 1, (row + 1) * n);
  const answer = await model.decode({
    from: 0,
    count: 1,
    ids: BigInt64Array.from(fed, BigInt),
    positions: BigInt64Array.from(fed, (_, position) => BigInt(position)),
    pastMask: new Float32Array(n * model.cachePositions).fill(HIDDEN),
    newMask,
    pick: [n - 1],
    begin: false,
    top: 1,
    probe: false,
    align: true,
  });
  expect(window.attention.length).toBe(n);
  const { heads, frames } = window;
  let largest = 0;
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < n; row++) {
      for (let frame = 0; frame < frames; frame++) {
        const expected = answer.attention[(head * n + row) * answer.attentionPositions + frame]!;
        largest = Math.max(largest, Math.abs(window.attention[row]![head * frames + frame]! - expected));
      }
    }
  }
  expect(largest).toBeLessThan(1e-4);
});

it('keeps a prompt to the window it was given to', async () => {
  const plain = [0, 1, 2, 3].map((seed) => task(seed));
  const alone = await oneByOne(tiny, plain);
  const prompted = task(1, { prompt: 'the quick brown fox', hotwords: 'Lazy dog' });
  const promptedAlone = await tiny.recognizer.recognize(prompted);
  expect(promptedAlone.text).not.toBe(alone[1]!.text);
  const mixed = await together(tiny, [plain[0]!, prompted, plain[2]!, plain[3]!, plain[1]!]);
  expect(mixed.map(essence)).toEqual([alone[0]!, promptedAlone, alone[2]!, alone[3]!, alone[1]!].map(essence));
  expect((await oneByOne(tiny, plain)).map(essence)).toEqual(alone.map(essence));
});

it('takes a prompt of any length', async () => {
  const result = await tiny.recognizer.recognize(task(2, { prompt: 'abc '.repeat(300), hotwords: 'x'.repeat(500) }));
  // 224 tokens of previous text and 4 of the start leave room for no more than 220.
  expect(result.tokens.length).toBeLessThanOrEqual(220);
  // What did not fit is told.
  expect(result.promptTokensCut).toBeGreaterThan(300);
  const short = await tiny.recognizer.recognize(task(2, { prompt: 'abc', hotwords: 'x' }));
  expect(short.promptTokensCut).toBe(0);
});

it('hears a language where none is given', async () => {
  let heard: ReadonlyMap<string, number> = new Map();
  const result = await tiny.recognizer.recognize(
    task(4, {
      language: (probabilities) => {
        heard = probabilities;
        return 'de';
      },
    }),
  );
  expect(heard.size).toBe(99);
  expect([...heard.values()].reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
  expect(result.language).toBe('de');
  expect(result.languageProbability).toBeCloseTo(heard.get('de')!, 9);
  expect(result.tokens).toEqual((await tiny.recognizer.recognize(task(4, { language: 'de' }))).tokens);
});

it('goes on with other windows while one waits for its language', async () => {
  const expected = await oneByOne(tiny, [task(5, { language: 'fr' }), task(0), task(1), task(2)]);
  const answer = Promise.withResolvers<string>();
  const asked = Promise.withResolvers<void>();
  const waiting = tiny.recognizer.recognize(
    task(5, {
      language: () => {
        asked.resolve();
        return answer.promise;
      },
    }),
  );
  await asked.promise;
  const others = await together(tiny, [task(0), task(1), task(2)]);
  answer.resolve('fr');
  expect([await waiting, ...others].map(essence)).toEqual(expected.map(essence));
});

const isCancelled = expect.objectContaining({ code: 'cancelled' });

describe('cancellation', () => {
  it('frees the slots of cancelled windows and leaves the others as they are', async () => {
    const expected = await oneByOne(tiny, [task(0), task(2)]);
    let cancelled = false;
    let steps = 0;
    const gone = [1, 3, 4, 5, 6, 7].map((seed) =>
      tiny.recognizer.recognize(
        task(seed, {
          cancelled: () => {
            steps++;
            cancelled ||= steps > 60;
            return cancelled;
          },
        }),
      ),
    );
    const kept = [tiny.recognizer.recognize(task(0)), tiny.recognizer.recognize(task(2))];
    const outcomes = await Promise.allSettled(gone);
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(3);
    for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toEqual(isCancelled);
    expect((await Promise.all(kept)).map(essence)).toEqual(expected.map(essence));
  });

  it('never reads the audio of a window that was cancelled before its turn', async () => {
    let read = false;
    const window = tiny.recognizer.recognize(
      task(0, {
        audio: () => {
          read = true;
          return tinyAudio(0);
        },
        cancelled: () => true,
      }),
    );
    await expect(window).rejects.toEqual(isCancelled);
    expect(read).toBe(false);
  });
});

describe('one window that fails', () => {
  const gone = new DiaristError('input_unreadable', 'The spool is gone.');
  const failures: readonly [string, Partial<RecognitionTask>, unknown][] = [
    [
      'because its audio cannot be read',
      {
        audio: () => {
          throw gone;
        },
      },
      gone,
    ],
    ['because nobody can tell its language', { language: () => Promise.reject(gone) }, gone],
    [
      'because the model lacks its language',
      { language: 'yue' },
      expect.objectContaining({ code: 'unknown_language' }),
    ],
  ];

  it.each(failures)('%s takes no other with it', async (_, given, error) => {
    const expected = await oneByOne(tiny, [task(3), task(4), task(6)]);
    const before = [3].map((seed) => tiny.recognizer.recognize(task(seed)));
    const failing = tiny.recognizer.recognize(task(7, given));
    const after = [4, 6].map((seed) => tiny.recognizer.recognize(task(seed)));
    await expect(failing).rejects.toEqual(error);
    expect((await Promise.all([...before, ...after])).map(essence)).toEqual(expected.map(essence));
  });

  it.each(failures)('%s gives its slot back', async (_, given, error) => {
    const failing = Array.from({ length: CAPACITY }, () => tiny.recognizer.recognize(task(7, given)));
    for (const window of failing) await expect(window).rejects.toEqual(error);
    expect((await tiny.recognizer.recognize(task(1))).text).not.toBe('');
  });
});

it('lets windows of another beam size in where all others wait for their language', async () => {
  // Two recordings whose windows decide their languages together, spread over two workers.
  await using other = await openTinyModel({ precision: 'int8', capacity: CAPACITY });
  const ballots = (wanted: number) => {
    let heard = 0;
    const verdict = Promise.withResolvers<string>();
    return () => {
      heard++;
      if (heard === wanted) verdict.resolve('en');
      return verdict.promise;
    };
  };
  const greedy = ballots(2);
  const beam = ballots(2);
  const results = await Promise.all([
    tiny.recognizer.recognize(task(0, { language: greedy })),
    tiny.recognizer.recognize(task(1, { language: beam, beams: 5 })),
    other.recognizer.recognize(task(2, { language: beam, beams: 5 })),
    other.recognizer.recognize(task(3, { language: greedy })),
  ]);
  const expected = await oneByOne(tiny, [task(0), task(1, { beams: 5 }), task(2, { beams: 5 }), task(3)]);
  expect(results.map(essence)).toEqual(expected.map(essence));
});
