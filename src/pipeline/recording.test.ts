import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ffmpeg } from '../audio/test-clips.ts';
import type { Transcript } from '../transcript/types.ts';
import { starterModels } from './fixtures/starter-models.ts';
import { createTranscriber } from './transcriber.ts';
import type { Progress, RunContext, TranscribeOptions, Transcriber, TranscriptPart } from './types.ts';

const TEXTS = {
  en: 'Good morning. The weather is fine today, and the train leaves at seven. We will take a long walk by the river.',
  de: 'Guten Morgen. Das Wetter ist heute schön, und der Zug fährt um sieben Uhr. Wir gehen lange am Fluss spazieren.',
} as const;

const SPEAKER = 'espeak-ng';

function speaks(): boolean {
  try {
    execFileSync(SPEAKER, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    console.log('skipped: espeak-ng is not installed');
    return false;
  }
}

const cacheDir = speaks() ? await starterModels() : undefined;

const OPTIONS: TranscribeOptions = {
  task: 'transcribe',
  diarize: false,
  words: true,
  beamSize: 1,
  strict: false,
  speakerEmbeddings: false,
};

/**
 * What has to be the same in every run of a recording. Probabilities are not: how far the caches of a batch have grown
 * changes the last bit of a sum, which now and then rounds an int8 value the other way.
 */
const essence = ({ text, language, segments }: Transcript) => ({
  text,
  language,
  lines: segments.map(({ speaker, text: line, words }) => ({ speaker, line, words: words?.map((word) => word.text) })),
});

describe.skipIf(cacheDir === undefined)('recordings', { timeout: 240_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'diarist-recording-'));
  const dataDir = join(folder, 'data');
  const file = (name: string) => join(folder, name);
  let engine: Transcriber;

  const transcribe = (name: string, options: Partial<TranscribeOptions> = {}, context: RunContext = {}) =>
    engine.transcribe({ id: name, path: file(name), options: { ...OPTIONS, ...options } }, context);
  const spooled = () => readdirSync(join(dataDir, 'spool'));

  beforeAll(async () => {
    for (const [voice, text] of Object.entries(TEXTS)) {
      execFileSync(SPEAKER, ['-v', voice, '-s', '140', '-w', file(`${voice}.wav`), text]);
    }
    ffmpeg('-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', '5', file('silence.wav'));
    ffmpeg('-stream_loop', '5', '-i', file('en.wav'), file('long.wav'));
    const whole = readFileSync(file('en.wav'));
    writeFileSync(file('cut.wav'), whole.subarray(0, Math.floor(whole.length * 0.7)));
    engine = await createTranscriber({
      model: 'base',
      device: 'cpu',
      computeType: 'auto',
      threads: 2,
      batchSize: 4,
      cacheDir: cacheDir!,
      dataDir,
    });
  }, 120_000);
  afterAll(async () => {
    await engine?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('become words with times inside the recording', async () => {
    const seen: Progress[] = [];
    const transcript = await transcribe('en.wav', {}, { onProgress: (progress) => seen.push(progress) });
    const { duration, segments, language, languageProbability } = transcript;
    expect(language).toBe('en');
    expect(languageProbability).toBeGreaterThan(0.5);
    const said = transcript.text.toLowerCase();
    for (const word of ['morning', 'weather', 'train', 'river']) expect(said).toContain(word);
    const words = segments.flatMap(({ words }) => words ?? []);
    expect(words.length).toBeGreaterThan(15);
    let previous = 0;
    for (const { start, end, probability } of words) {
      expect(start).toBeGreaterThanOrEqual(previous);
      expect(end).toBeGreaterThanOrEqual(start);
      expect(probability).toBeGreaterThan(0);
      expect(probability).toBeLessThanOrEqual(1);
      previous = end;
    }
    expect(previous).toBeLessThanOrEqual(duration);
    for (const segment of segments) {
      expect(segment.start).toBeLessThanOrEqual(segment.words![0]!.start);
      expect(segment.end).toBeGreaterThanOrEqual(segment.words!.at(-1)!.end);
    }
    expect(segments.map(({ id }) => id)).toEqual(segments.map((_, index) => index));
    const fractions = seen.map(({ fraction }) => fraction);
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
    expect(spooled()).toEqual([]);
  });

  it('of silence become an empty transcript with a note, also when strict', async () => {
    const transcript = await transcribe('silence.wav', { diarize: true, strict: true });
    expect(transcript).toMatchObject({ text: '', language: null, languageProbability: null, segments: [], turns: [] });
    expect(transcript.duration).toBeCloseTo(5, 1);
    expect(transcript.warnings.map(({ code }) => code)).toEqual(['no_speech']);
  });

  it('give the same result two at once as one by one, greedy beside beam search', async () => {
    const runs = [
      ['en.wav', {}],
      ['de.wav', { beamSize: 5 }],
      ['long.wav', {}],
      ['en.wav', { prompt: 'A diary of travels.' }],
    ] as const;
    const alone: Transcript[] = [];
    for (const [name, options] of runs) alone.push(await transcribe(name, options));
    expect(alone.map(({ language }) => language)).toEqual(['en', 'de', 'en', 'en']);
    const together = await Promise.all(runs.map(([name, options]) => transcribe(name, options)));
    expect(together.map(essence)).toEqual(alone.map(essence));
    const starts = (transcripts: readonly Transcript[]) =>
      transcripts.flatMap(({ segments }) => segments.flatMap(({ words }) => (words ?? []).map(({ start }) => start)));
    const alike = starts(alone);
    starts(together).forEach((start, index) => {
      expect(Math.abs(start - alike[index]!)).toBeLessThan(0.1);
    });
  });

  it('tell their language and their voice without a transcript, and that nobody speaks', async () => {
    const ask = (name: string) => ({ id: name, path: file(name) });
    const [en, de] = await Promise.all([engine.detectLanguage(ask('long.wav')), engine.detectLanguage(ask('de.wav'))]);
    expect([en?.language, de?.language]).toEqual(['en', 'de']);
    expect(de!.probability).toBeGreaterThan(0.5);
    expect(await engine.detectLanguage(ask('silence.wav'))).toBeNull();
    const voice = await engine.embedVoice(ask('en.wav'));
    expect(Math.hypot(...voice)).toBeCloseTo(1, 6);
    await expect(engine.embedVoice(ask('silence.wav'))).rejects.toMatchObject({ code: 'no_speech' });
    ffmpeg('-f', 'lavfi', '-i', 'anullsrc=r=8000:cl=mono', '-t', '61', file('minute.flac'));
    await expect(engine.embedVoice(ask('minute.flac'))).rejects.toMatchObject({ code: 'input_too_large' });
    expect(spooled()).toEqual([]);
  });

  it('have parts that join to the whole, in order', async () => {
    const parts: TranscriptPart[] = [];
    const { text, language } = await transcribe('long.wav', {}, { onPart: (part) => parts.push(part) });
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.map(({ index }) => index)).toEqual(parts.map((_, index) => index));
    expect(parts.map((part) => part.text).join(' ')).toBe(text);
    expect(parts.every((part) => part.language === language)).toBe(true);
    expect(parts.every(({ words, start, end }) => words.every((word) => word.start >= start && word.end <= end))).toBe(
      true,
    );
  });

  it('come to an end where there is one slot for all their chunks, though each wants to hear three for its language', async () => {
    const narrow = await createTranscriber({
      model: 'base',
      device: 'cpu',
      computeType: 'auto',
      threads: 1,
      batchSize: 1,
      cacheDir: cacheDir!,
      dataDir,
    });
    try {
      const run = (id: string) =>
        narrow.transcribe({ id, path: file('long.wav'), options: { ...OPTIONS, words: false } });
      const wide = await transcribe('long.wav', { words: false });
      const [first, second] = await Promise.all([run('first'), run('second')]);
      expect([first.text, second.text]).toEqual([wide.text, wide.text]);
      expect(first.languageProbability).toBeCloseTo(wide.languageProbability!, 2);
    } finally {
      await narrow.close();
    }
  });

  it.each(['decode', 'segment', 'transcribe'] as const)('can be cancelled while they %s', async (stage) => {
    const stop = new AbortController();
    const seen = new Set<string>();
    const run = transcribe(
      'long.wav',
      {},
      {
        signal: stop.signal,
        onProgress: (progress) => {
          seen.add(progress.stage);
          if (progress.stage === stage) stop.abort();
        },
      },
    );
    const beside = transcribe('de.wav');
    await expect(run).rejects.toMatchObject({ code: 'cancelled' });
    expect(seen.has(stage)).toBe(true);
    expect(seen.has('merge')).toBe(false);
    // What runs beside it, on the same threads, does not notice.
    expect((await beside).language).toBe('de');
    expect(spooled()).toEqual([]);
    await expect(transcribe('de.wav', {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'cancelled',
    });
  });

  it('that cannot be done in full carry a warning, and fail when strict', async () => {
    const transcript = await transcribe('cut.wav');
    expect(transcript.text).toContain('morning');
    const [warning] = transcript.warnings;
    expect(warning).toMatchObject({ code: 'truncated_audio' });
    await expect(transcribe('cut.wav', { strict: true })).rejects.toMatchObject({
      code: 'strict_degraded',
      message: warning!.message,
    });
    expect(spooled()).toEqual([]);
  });

  it('in a language the model was not trained on are refused, and others beside them are not', async () => {
    const refused = transcribe('en.wav', { language: 'yue' });
    const beside = transcribe('en.wav', { language: 'en' });
    await expect(refused).rejects.toMatchObject({ code: 'unknown_language' });
    expect((await beside).languageProbability).toBe(1);
  });
});
