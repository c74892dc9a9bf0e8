import { describe, expect, it } from 'vitest';
import { SAMPLE_RATE } from '../core/units.ts';
import type { ChunkPiece } from '../engine/vad/chunking.ts';
import type { RecognizedChunk } from '../transcript/recognized.ts';
import type { Word } from '../transcript/types.ts';
import { ChunkReader, type ChunkReaderOptions, type PlacedChunk } from './chunk-reader.ts';
import { unreadSpeech, withRecovered } from './unread-speech.ts';
import type { InferencePool } from './worker/inference-pool.ts';

const piece = (start: number, end: number): ChunkPiece => ({
  startSample: start * SAMPLE_RATE,
  endSample: end * SAMPLE_RATE,
});
const inSeconds = (stretches: readonly (readonly ChunkPiece[])[]) =>
  stretches.map((pieces) => pieces.map(({ startSample, endSample }) => [startSample / 16_000, endSample / 16_000]));

/** Words of a text, a second each, from `start` on. */
const words = (text: string, start: number): Word[] =>
  text
    .split(' ')
    .map((word, index) => ({ text: word, start: start + index, end: start + index + 1, probability: 0.9 }));

const chunk = (list: readonly Word[], avgLogprob = -0.2): RecognizedChunk => ({
  start: 0,
  end: 30,
  text: list.map(({ text }) => text).join(' '),
  words: list,
  tokens: list.map((_, index) => index),
  avgLogprob,
  temperature: 0,
  compressionRatio: 1,
  noSpeechProb: 0,
  language: 'en',
});

describe('speech that nobody read', () => {
  it('lies before, between and behind the words', () => {
    const list = [...words('one two three', 5), ...words('nine ten', 14)];
    expect(inSeconds(unreadSpeech([piece(3.5, 30)], list))).toEqual([[[8, 14]], [[16, 30]]]);
    expect(inSeconds(unreadSpeech([piece(0, 17)], list))).toEqual([[[0, 5]], [[8, 14]]]);
    // The longest two.
    expect(inSeconds(unreadSpeech([piece(0, 30)], list))).toEqual([[[8, 14]], [[16, 30]]]);
  });

  it('is no pause: only pieces count, and short ones add up', () => {
    const list = [...words('one two', 1), ...words('nine ten', 20)];
    const pieces = [piece(0.5, 3.2), piece(6, 7.5), piece(10, 11), piece(19, 22.5)];
    expect(inSeconds(unreadSpeech(pieces, list))).toEqual([
      [
        [3, 3.2],
        [6, 7.5],
        [10, 11],
        [19, 20],
      ],
    ]);
    expect(unreadSpeech([piece(0.5, 3.2), piece(6, 7), piece(19.5, 22.5)], list)).toEqual([]);
  });

  it('is nothing where no word has a time', () => {
    expect(unreadSpeech([piece(0, 30)], [])).toEqual([]);
  });
});

describe('what a second attempt reads', () => {
  const first = chunk([...words('the end of one sentence', 0), ...words('and another one', 15)]);

  it('goes where it was said', () => {
    const result = withRecovered(first, chunk(words('that was left out', 6)));
    expect(result.text).toBe('the end of one sentence that was left out and another one');
    expect(result.words.map(({ start }) => start)).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9, 15, 16, 17]);
    expect(withRecovered(first, chunk(words('at the end', 20))).text).toMatch(/another one at the end$/);
    expect(withRecovered(chunk(words('b', 9)), chunk(words('a', 1))).text).toBe('a b');
    const brief = [...words('one two', 0), { text: 'three', start: 2, end: 2, probability: 0.4 }];
    expect(withRecovered(chunk(brief), chunk(words('four five', 2))).text).toBe('one two three four five');
    const unsure = withRecovered(chunk(words('a b', 0)), chunk(words('that was left out', 6), -0.8));
    expect(unsure.avgLogprob).toBeCloseTo((2 * -0.2 + 4 * -0.8) / 6, 6);
  });

  it('is left out where it is silence, a guess, or an echo of its neighbours', () => {
    expect(withRecovered(first, null)).toBe(first);
    expect(withRecovered(first, chunk([]))).toBe(first);
    expect(withRecovered(first, chunk(words('...', 6)))).toBe(first);
    expect(withRecovered(first, chunk(words('that was left out', 6), -1.1))).toBe(first);
    expect(withRecovered(first, { ...chunk(words('la la la la', 6)), compressionRatio: 2.5 })).toBe(first);
    expect(withRecovered(first, chunk(words('of one sentence,', 6)))).toBe(first);
    expect(withRecovered(first, chunk(words('And another', 12)))).toBe(first);
  });
});

describe('a chunk that leaves speech out', () => {
  const placed: PlacedChunk = { index: 0, pauseBefore: 1, pieces: [piece(0, 12), piece(14, 20)], samples: 18 * 16_000 };

  function read(task: 'transcribe' | 'translate') {
    const asked: unknown[] = [];
    const pool = {
      recognize: async (
        { pieces, options }: Parameters<InferencePool['recognize']>[0],
        { seconds, turn: { ahead } }: Parameters<InferencePool['recognize']>[1],
      ) => {
        const { language, words: timed, prompt, hotwords } = options;
        asked.push({ pieces: inSeconds([pieces])[0], seconds, ahead, language, timed, prompt, hotwords });
        return asked.length === 1
          ? chunk([...words('one two three', 0), ...words('nine', 19)])
          : chunk(words('four five six seven', 4));
      },
    } as unknown as InferencePool;
    const reader = new ChunkReader({
      spoolPath: '',
      pool,
      run: { turn: {} as ChunkReaderOptions['run']['turn'] },
      options: {
        task,
        diarize: false,
        words: false,
        beamSize: 1,
        strict: false,
        speakerEmbeddings: false,
        language: 'en',
        prompt: 'A prompt.',
        hotwords: 'Kubernetes',
      },
      checkpoint: undefined,
      onPart: undefined,
    });
    return reader.read(placed, false).then((result) => ({ text: result?.text, asked }));
  }

  it('is read again there, in its language', async () => {
    const { text, asked } = await read('transcribe');
    expect(text).toBe('one two three four five six seven nine');
    const common = { language: 'en', timed: true };
    expect(asked).toEqual([
      {
        ...common,
        pieces: [
          [0, 12],
          [14, 20],
        ],
        seconds: 18,
        prompt: 'A prompt.',
        hotwords: 'Kubernetes',
      },
      // Before what waits, and without words that somebody suggested: where little is heard they would be written.
      {
        ...common,
        pieces: [
          [3, 12],
          [14, 19],
        ],
        seconds: 14,
        ahead: true,
      },
    ]);
  });

  it('is left alone in a translation, whose words follow another order', async () => {
    const { text, asked } = await read('translate');
    expect(text).toBe('one two three nine');
    expect(asked).toHaveLength(1);
  });
});
