import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTinyModel, TINY_SHAPE, type TinyModel, tinyAudio } from '../fixtures/tiny-model.ts';
import { type DecoderAnswer, HIDDEN } from './whisper-model.ts';

const { vocabulary } = TINY_SHAPE;
const TOKENS = Array.from({ length: 90 }, (_, index) => (index * 37) % 120);

let tiny: TinyModel;
/** Tokens that can be chosen: text and its end, less the two that the fixture suppresses. */
let choices: number;
beforeAll(async () => {
  tiny = await openTinyModel({ precision: 'float32', capacity: 3 });
  choices = tiny.tokenizer.special.eot - 1;
});
afterAll(() => tiny[Symbol.asyncDispose]());

/** Log-probabilities of every token that can be chosen, at one place of an answer. */
function byToken(answer: DecoderAnswer, place: number): Float32Array {
  const row = new Float32Array(vocabulary);
  for (let i = place * choices; i < (place + 1) * choices; i++) {
    row[Number(answer.tokens[i])] = answer.logProbabilities[i]!;
  }
  return row;
}

/** Log-probabilities after each of TOKENS, all fed in one call. */
async function atOnce({ model }: TinyModel, slot: number): Promise<Float32Array[]> {
  const n = TOKENS.length;
  const newMask = new Float32Array(n * n);
  for (let row = 0; row < n; row++) newMask.fill(HIDDEN, row * n + row + 1, (row + 1) * n);
  const answer = await model.decode({
    from: slot,
    count: 1,
    ids: BigInt64Array.from(TOKENS, BigInt),
    positions: BigInt64Array.from(TOKENS, (_, position) => BigInt(position)),
    pastMask: new Float32Array(n * model.cachePositions).fill(HIDDEN),
    newMask,
    pick: TOKENS.map((_, index) => index),
    begin: false,
    top: choices,
    probe: false,
    align: false,
  });
  return TOKENS.map((_, place) => byToken(answer, place));
}

/** The same, fed token by token through the cache, at cache positions of the caller's choice. */
async function stepByStep(
  { model }: TinyModel,
  slot: number,
  positionOf: (step: number) => number = (step) => step,
  before: (step: number) => void = () => undefined,
): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (const [step, token] of TOKENS.entries()) {
    before(step);
    const pastMask = new Float32Array(model.cachePositions).fill(HIDDEN);
    for (let past = 0; past < step; past++) pastMask[positionOf(past)] = 0;
    const answer = await model.decode({
      from: slot,
      count: 1,
      ids: BigInt64Array.of(BigInt(token)),
      positions: BigInt64Array.of(BigInt(step)),
      pastMask,
      newMask: new Float32Array(1),
      pick: [0],
      begin: false,
      top: choices,
      probe: false,
      align: false,
    });
    model.remember(answer, { window: 0, token: 0, n: 1, slot, position: positionOf(step) });
    rows.push(byToken(answer, 0));
  }
  return rows;
}

function expectClose(rows: readonly Float32Array[], reference: readonly Float32Array[], tolerance: number): void {
  expect(rows).toHaveLength(reference.length);
  const errors = rows.map((row, index) =>
    Math.max(...row.map((value, token) => Math.abs(value - reference[index]![token]!))),
  );
  expect(Math.max(...errors)).toBeLessThan(tolerance);
}

it('decodes step by step what it decodes at once, while its cache grows, wherever the cache keeps things', async () => {
  const { model } = tiny;
  await model.encode(1, tinyAudio(1));
  const expected = await atOnce(tiny, 1);
  expect(model.cachePositions).toBe(64);
  const grown = await stepByStep(tiny, 1, undefined, (step) => {
    if (step === model.cachePositions) model.growCache();
  });
  expect(model.cachePositions).toBe(128);
  expectClose(grown, expected, 1e-4);
  expectClose(await stepByStep(tiny, 1, (step) => (step * 7) % model.cachePositions), expected, 1e-4);
  model.shrinkCache();
  expect(model.cachePositions).toBe(64);
});

it('keeps windows apart and moves them whole', async () => {
  const { model } = tiny;
  model.growCache();
  for (const slot of [0, 1, 2]) await model.encode(slot, tinyAudio(slot));
  const separate = [await stepByStep(tiny, 0), await stepByStep(tiny, 1), await stepByStep(tiny, 2)];
  expect(separate[0]).not.toEqual(separate[1]);
  model.move(2, 0);
  // The caches moved too: one more step from slot 0 sees the past of what was in slot 2.
  const last = TOKENS.length - 1;
  const pastMask = new Float32Array(model.cachePositions).fill(HIDDEN).fill(0, 0, last);
  const answer = await model.decode({
    from: 0,
    count: 1,
    ids: BigInt64Array.of(BigInt(TOKENS[last]!)),
    positions: BigInt64Array.of(BigInt(last)),
    pastMask,
    newMask: new Float32Array(1),
    pick: [0],
    begin: false,
    top: choices,
    probe: false,
    align: false,
  });
  expectClose([byToken(answer, 0)], [separate[2]![last]!], 1e-5);
  expectClose(await atOnce(tiny, 1), separate[1]!, 1e-4);
  model.shrinkCache();
});

it('writes the same long text with a cache that grows as with one that is large from the start', async () => {
  await using int8 = await openTinyModel({ precision: 'int8', capacity: 2 });
  const task = {
    audio: () => tinyAudio(1),
    language: 'en',
    task: 'transcribe',
    beams: 1,
    attention: false,
  } as const;
  const growing = await int8.recognizer.recognize(task);
  expect(growing.tokens.length).toBeGreaterThan(64);
  for (let times = 0; times < 3; times++) int8.model.growCache();
  const large = await int8.recognizer.recognize(task);
  expect(large.tokens).toEqual(growing.tokens);
  // Nobody is in the model any more: the memory of long texts is given back.
  expect(int8.model.cachePositions).toBe(64);
});

it('hears no more than 30 s, and nothing at all', async () => {
  const { recognizer } = tiny;
  const hear = (audio: Float32Array) =>
    recognizer.recognize({ audio: () => audio, language: 'en', task: 'transcribe', beams: 1, attention: true });
  const whole = await hear(tinyAudio(2, 30));
  expect(whole.frames).toBe(1500);
  const nothing = await hear(new Float32Array(0));
  expect(nothing.frames).toBe(0);
  expect(nothing.attention.every((row) => row.length === 0)).toBe(true);
});
