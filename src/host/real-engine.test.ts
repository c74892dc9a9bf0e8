import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadConfig } from '../config/config.ts';
import type { Progress } from '../pipeline/types.ts';
import { EngineHost, engineHostOptions } from './engine-host.ts';

const config = loadConfig();
const models = join(config.settings.cacheDir, 'models');
const clip = join(models, 'sample', 'sample.wav');
const present = ['base', 'segmentation-3.0', 'campplus'].every((name) => existsSync(join(models, name)));

it('runs the product’s own engine from recording to transcript, and survives its death', { timeout: 240_000 }, async ({
  skip,
}) => {
  if (!present || !existsSync(clip))
    skip('the starter models are not in the store: pull base, segmentation-3.0, campplus and sample');
  const dataDir = mkdtempSync(join(tmpdir(), 'diarist-engine-'));
  try {
    const { engine, ...options } = engineHostOptions(config);
    await using host = new EngineHost({ ...options, engine: { ...engine, model: 'base', dataDir } });
    const seen: Progress[] = [];
    let killed = false;
    const transcript = await host.transcribe(
      {
        id: 'sample',
        path: clip,
        options: {
          task: 'transcribe',
          diarize: true,
          words: true,
          beamSize: 1,
          strict: false,
          speakerEmbeddings: false,
        },
      },
      {
        onProgress: (progress) => {
          seen.push(progress);
          if (killed || progress.stage === 'decode') return;
          killed = true;
          process.kill(host.pid!, 'SIGKILL');
        },
      },
    );
    expect(killed).toBe(true);
    expect(transcript.language).toBe('en');
    expect(transcript.duration).toBeCloseTo(30, 0);
    expect(transcript.text.toLowerCase()).toContain('new jersey');
    const fractions = seen.map((progress) => progress.fraction);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    await host.close();
    expect(readdirSync(join(dataDir, 'spool'))).toEqual([]);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});
