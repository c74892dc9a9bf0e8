import { round } from '../statistics.ts';
import type { Clips } from './clips.ts';
import { timedPost } from './requests.ts';
import { spawnServer } from './spawned-server.ts';

export interface Batching {
  readonly clips: number;
  readonly clipSeconds: number;
  readonly oneByOneSeconds: number;
  readonly atOnceSeconds: number;
  /** Below 1 is a gain. */
  readonly share: number;
}

const CLIPS = 16;
const CLIP_SECONDS = 5;

/** Short clips posted at once, against the same number one after the other. */
export async function measureBatching(clips: Clips): Promise<Batching> {
  await using server = await spawnServer();
  const clip = clips.cut(CLIP_SECONDS);
  const one = (): Promise<number> =>
    timedPost(server, '/v1/audio/transcriptions', clips.different(clip), { model: 'whisper-1', language: 'en' });
  await one();
  const oneByOne = performance.now();
  for (let index = 0; index < CLIPS; index++) await one();
  const atOnce = performance.now();
  await Promise.all(Array.from({ length: CLIPS }, one));
  const end = performance.now();
  return {
    clips: CLIPS,
    clipSeconds: CLIP_SECONDS,
    oneByOneSeconds: round((atOnce - oneByOne) / 1000, 2),
    atOnceSeconds: round((end - atOnce) / 1000, 2),
    share: round((end - atOnce) / (atOnce - oneByOne), 2),
  };
}
