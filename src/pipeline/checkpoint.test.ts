import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WINDOW_FRAMES } from '../inference/segmentation/geometry.ts';
import { Checkpoint } from './checkpoint.ts';
import type { TranscribeRequest } from './types.ts';

let folder: string;
let work: string;
let request: TranscribeRequest;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diarist-checkpoint-'));
  work = join(folder, 'work');
  const path = join(folder, 'recording');
  writeFileSync(path, 'sound');
  request = {
    id: 'a',
    path,
    options: {
      task: 'transcribe',
      diarize: false,
      words: true,
      beamSize: 1,
      strict: false,
      speakerEmbeddings: false,
    },
  };
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const ENGINE = 'whisper-1 int8';
const PIECES = [{ startSample: 0, endSample: 16_000 }];
const CHUNK = {
  start: 0,
  end: 1,
  text: 'Grüß Gott',
  words: [{ text: 'Grüß', start: 0.1, end: 0.30000000000000004, probability: 0.9 }],
  tokens: [1, 2],
  avgLogprob: -0.1,
  temperature: 0,
  compressionRatio: 1,
  noSpeechProb: 0.01,
  language: 'de',
};
const VERDICT = { language: 'de', probability: 0.8, runnerUp: { language: 'nl', probability: 0.1 } };
const ITEMS = [Int32Array.of(0, 100), Int32Array.of(150, 200, 220, 300)];
const EMBEDDINGS = { vectors: Float32Array.of(0.1, -2, 3.5), bandDifferences: Float32Array.of(-30.25, 1) };
const CLASSES = Uint8Array.from({ length: 2 * WINDOW_FRAMES }, (_, i) => i % 7);

const open = (changes: Partial<TranscribeRequest> = {}, engine = ENGINE) =>
  Checkpoint.open(work, { ...request, ...changes }, engine);

/** A checkpoint with one of everything, closed. */
async function fill(): Promise<void> {
  const checkpoint = await open();
  writeFileSync(checkpoint.audioPath, Buffer.alloc(32_000));
  await checkpoint.keepAudio({ samples: 16_000, warnings: [] });
  checkpoint.keepClasses(3, CLASSES);
  checkpoint.keepVerdict(VERDICT);
  checkpoint.keepEmbeddings(ITEMS, EMBEDDINGS);
  checkpoint.keepChunk({ index: 0, language: 'de', pieces: PIECES, result: CHUNK });
  checkpoint.keepChunk({ index: 1, language: 'de', pieces: PIECES, result: null });
  checkpoint.close();
}

it('gives back to another process what was kept, and nothing else', async () => {
  await fill();
  const checkpoint = await open({ id: 'another try' });
  expect(checkpoint.audio).toMatchObject({ samples: 16_000, warnings: [] });
  expect(checkpoint.verdict).toEqual(VERDICT);
  expect(checkpoint.classes(3, 2)).toEqual(CLASSES);
  expect(checkpoint.classes(4, 1)).toEqual(CLASSES.subarray(WINDOW_FRAMES));
  expect(checkpoint.classes(4, 2)).toBeUndefined();
  expect(checkpoint.embeddings(ITEMS)).toEqual(EMBEDDINGS);
  expect(checkpoint.embeddings(ITEMS.slice(1))).toBeUndefined();
  expect(checkpoint.chunk(0, 'de', PIECES)).toEqual(CHUNK);
  expect(checkpoint.chunk(1, 'de', PIECES)).toBeNull();
  expect(checkpoint.chunk(2, 'de', PIECES)).toBeUndefined();
  expect(checkpoint.chunk(0, 'nl', PIECES)).toBeUndefined();
  expect(checkpoint.chunk(0, 'de', [{ startSample: 0, endSample: 15_999 }])).toBeUndefined();
  checkpoint.close();
});

it('ends at a line that is torn, and goes on from there', async () => {
  await fill();
  const journal = join(work, 'journal');
  const whole = readFileSync(journal);
  for (const cut of [1, 20, 200]) {
    writeFileSync(journal, whole.subarray(0, whole.length - cut));
    const torn = await open();
    expect(torn.chunk(1, 'de', PIECES)).toBeUndefined();
    expect(torn.verdict).toEqual(VERDICT);
    torn.keepChunk({ index: 1, language: 'de', pieces: PIECES, result: null });
    torn.close();
    const again = await open();
    expect(again.chunk(1, 'de', PIECES)).toBeNull();
    again.close();
  }
});

it('trusts no line that was changed, nor what follows it', async () => {
  await fill();
  const journal = join(work, 'journal');
  writeFileSync(journal, readFileSync(journal, 'utf8').replace('"probability":0.8', '"probability":0.9'));
  appendFileSync(journal, 'not a line\n');
  const checkpoint = await open();
  expect(checkpoint.verdict).toBeUndefined();
  expect(checkpoint.chunk(0, 'de', PIECES)).toBeUndefined();
  expect(checkpoint.classes(3, 2)).toEqual(CLASSES);
  checkpoint.close();
});

it('counts audio only where all of it is there', async () => {
  await fill();
  truncateSync(join(work, 'audio.pcm'), 31_998);
  const checkpoint = await open();
  expect(checkpoint.audio).toBeUndefined();
  expect(checkpoint.verdict).toEqual(VERDICT);
  checkpoint.close();
});

it('counts for nothing where the options, the recording, its format or the engine are others', async () => {
  const others = [
    () => open({ options: { ...request.options, beamSize: 5 } }),
    () => open({ options: { ...request.options, language: 'de' } }),
    () => open({ format: 's16le' }),
    () => open({}, 'whisper-1 float32'),
    () => {
      writeFileSync(request.path, 'another sound');
      return open();
    },
  ];
  for (const other of others) {
    await fill();
    const checkpoint = await other();
    expect(checkpoint.verdict).toBeUndefined();
    expect(checkpoint.audio).toBeUndefined();
    expect(checkpoint.chunk(0, 'de', PIECES)).toBeUndefined();
    expect(existsSync(checkpoint.audioPath)).toBe(false);
    checkpoint.close();
  }
});

it('says that its folder cannot be written to', async () => {
  await expect(Checkpoint.open('/dev/null/work', request, ENGINE)).rejects.toMatchObject({ code: 'output_unwritable' });
});
