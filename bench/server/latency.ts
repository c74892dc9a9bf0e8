import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/config.ts';
import { DEFAULT_BEAM_SIZE } from '../../src/core/decoding-defaults.ts';
import { createEngines } from '../../src/host/engines.ts';
import type { TranscribeOptions } from '../../src/pipeline/types.ts';
import { median, round } from '../statistics.ts';
import type { Clips } from './clips.ts';
import { timedPost } from './requests.ts';
import { spawnServer } from './spawned-server.ts';

export interface Latency {
  readonly clipSeconds: number;
  readonly options: string;
  /** Medians of warm runs, in turns. */
  readonly engineMs: number;
  readonly httpMs: number;
  readonly overheadMs: number;
}

const CLIP_SECONDS = 5;

interface Case {
  readonly name: string;
  readonly route: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly options: Pick<TranscribeOptions, 'words' | 'diarize' | 'language'>;
}

/** The same work over HTTP and as a call: the options stand beside each other. */
const CASES: readonly Case[] = [
  {
    name: 'text (OpenAI json, language given)',
    route: '/v1/audio/transcriptions',
    fields: { model: 'whisper-1', language: 'en' },
    options: { words: false, diarize: false, language: 'en' },
  },
  {
    name: 'text (OpenAI json)',
    route: '/v1/audio/transcriptions',
    fields: { model: 'whisper-1' },
    options: { words: false, diarize: false },
  },
  { name: 'words and speakers (/asr)', route: '/asr', fields: {}, options: { words: true, diarize: true } },
];

/** A clip of 5 s over HTTP and straight into an engine, both warm, in turns. */
export async function measureLatency(clips: Clips, folder: string, repeats: number): Promise<Latency[]> {
  await using server = await spawnServer();
  const engines = createEngines(loadConfig({ flags: { dataDir: folder } }));
  const clip = clips.cut(CLIP_SECONDS);
  const callMs = async ({ options }: Case): Promise<number> => {
    const path = join(folder, 'call.wav');
    writeFileSync(path, clips.different(clip));
    const common = {
      task: 'transcribe',
      beamSize: DEFAULT_BEAM_SIZE,
      strict: false,
      speakerEmbeddings: false,
    } as const;
    const started = performance.now();
    await engines.transcribe('base', { id: 'bench', path, options: { ...common, ...options } });
    return performance.now() - started;
  };
  const httpMs = ({ route, fields }: Case): Promise<number> => timedPost(server, route, clips.different(clip), fields);
  try {
    const results: Latency[] = [];
    for (const one of CASES) {
      const times = { call: [] as number[], http: [] as number[] };
      await callMs(one);
      await httpMs(one);
      for (let repeat = 0; repeat < repeats; repeat++) {
        times.call.push(await callMs(one));
        times.http.push(await httpMs(one));
      }
      const [engine, http] = [median(times.call), median(times.http)];
      results.push({
        clipSeconds: CLIP_SECONDS,
        options: one.name,
        engineMs: round(engine, 0),
        httpMs: round(http, 0),
        overheadMs: round(http - engine, 0),
      });
    }
    return results;
  } finally {
    await engines.close();
  }
}
