import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ffmpeg } from '../audio/test-clips.ts';
import { loadConfig } from '../config/config.ts';
import type { Progress, TranscribeRequest, TranscriptPart } from '../pipeline/types.ts';
import type { Transcript } from '../transcript/types.ts';
import { EngineHost, engineHostOptions } from './engine-host.ts';

const config = loadConfig();
const models = join(config.settings.cacheDir, 'models');
const sample = join(models, 'sample', 'sample.wav');
const present =
  ['base', 'segmentation-3.0', 'campplus'].every((name) => existsSync(join(models, name))) && existsSync(sample);
if (!present) console.log('skipped: pull base, segmentation-3.0, campplus and sample for the tests of the real engine');

/**
 * What has to be the same however often the engine died. Probabilities and times are not to the last bit: a window has
 * other batch mates then.
 */
const essence = ({ text, language, segments, turns, speakers, duration }: Transcript) => ({
  text,
  language,
  duration,
  turns,
  speakers,
  lines: segments.map(({ speaker, text: line, words }) => ({
    speaker,
    line,
    words: words?.map((word) => [word.text, word.speaker]),
  })),
});

describe.skipIf(!present)('the product’s own engine', { timeout: 240_000 }, () => {
  let folder: string;
  let clip: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'diarist-engine-'));
    clip = join(folder, 'clip.wav');
    // Several chunks, and nothing that repeats from one to the next.
    const slow = ffmpeg('-i', sample, '-filter:a', 'atempo=0.75', '-ar', '16000', '-ac', '1', join(folder, 'slow.wav'));
    ffmpeg('-i', sample, '-i', slow, '-filter_complex', 'concat=n=2:v=0:a=1', clip);
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const request = (workFolder?: string): TranscribeRequest => ({
    id: 'clip',
    path: clip,
    options: { task: 'transcribe', diarize: true, words: true, beamSize: 1, strict: false, speakerEmbeddings: false },
    ...(workFolder === undefined ? {} : { workFolder }),
  });

  function openHost(): EngineHost {
    const { engine, ...options } = engineHostOptions(config);
    return new EngineHost({ ...options, engine: { ...engine, model: 'base', threads: 2, dataDir: folder } });
  }

  it('gives the same transcript, part by part, when it is killed at any point', async () => {
    await using host = openHost();
    const undisturbed = await host.transcribe(request());
    expect(undisturbed.language).toBe('en');
    expect(undisturbed.text.toLowerCase()).toContain('new jersey');
    for (const [round, killAt] of [0.02, 0.4, 0.85].entries()) {
      const seen: Progress[] = [];
      const parts: TranscriptPart[] = [];
      let killed = false;
      const transcript = await host.transcribe(request(join(folder, `work-${round}`)), {
        onPart: (part) => parts.push(part),
        onProgress: (progress) => {
          seen.push(progress);
          if (killed || progress.fraction < killAt) return;
          killed = true;
          process.kill(host.pid!, 'SIGKILL');
        },
      });
      expect(killed).toBe(true);
      expect(essence(transcript)).toEqual(essence(undisturbed));
      const fractions = seen.map((progress) => progress.fraction);
      expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
      expect(parts.map(({ index }) => index)).toEqual(parts.map((_, index) => index));
      const told = parts.map(({ text }) => text).filter((text) => text !== '');
      expect(told.join(' ')).toBe(undisturbed.text);
    }
    await host.close();
    expect(readdirSync(join(folder, 'spool'))).toEqual([]);
  });

  it('does not do again what a work folder holds', async () => {
    await using host = openHost();
    const first = await host.transcribe(request(join(folder, 'work-done')));
    const { timings, ...again } = await host.transcribe(request(join(folder, 'work-done')));
    expect(again).toEqual({ ...first, timings: undefined });
    expect(timings.total).toBeLessThan(first.timings.total! / 5);
  });

  it('tells a language and a voice, where it runs, and what it has done', async () => {
    await using host = openHost();
    const asked = { id: 'question', path: sample };
    expect(await host.detectLanguage(asked)).toMatchObject({ language: 'en' });
    const voice = await host.embedVoice(asked);
    expect(Math.hypot(...voice)).toBeCloseTo(1, 6);
    expect(voice).toHaveLength(192);
    await host.transcribe(request());
    expect(host.status()).toMatchObject({ model: 'base', state: 'ready', running: 0 });
    expect(host.status().device).toMatch(/^(cpu|cuda|webgpu|coreml)$/);
    await expect.poll(() => host.status().metrics?.decoderSteps, { timeout: 10_000 }).toBeGreaterThan(10);
    const { decoderSteps, decodedWindows, batchCapacity, taskSeconds } = host.status().metrics!;
    expect(decodedWindows).toBeGreaterThanOrEqual(decoderSteps);
    expect(decodedWindows).toBeLessThanOrEqual(decoderSteps * batchCapacity);
    expect(taskSeconds.recognize).toBeGreaterThan(0);
  });
});
