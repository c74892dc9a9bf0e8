import { setTimeout as delay } from 'node:timers/promises';
import { treeMemoryMb } from '../process-tree.ts';
import { round } from '../statistics.ts';
import type { Clips } from './clips.ts';
import { timedPost } from './requests.ts';
import { spawnServer } from './spawned-server.ts';

export interface IdleMemory {
  readonly startedMb: number;
  readonly workingMb: number;
  /** After the engine has ended for idleness, everything that is left. */
  readonly unloadedMb: number;
}

const IDLE_SECONDS = 2;
const SETTLE_MS = 5000;
const UNLOAD_LIMIT_MS = 60_000;

/** Memory of the server and everything below it: before work, after some, and when its engine has been unloaded. */
export async function measureIdleMemory(clips: Clips): Promise<IdleMemory> {
  await using server = await spawnServer({ DIARIST_IDLE_SECONDS: String(IDLE_SECONDS) });
  await fetch(`${server.url}/health`);
  const startedMb = treeMemoryMb(server.pid);
  const clip = clips.cut(12);
  for (let index = 0; index < 5; index++) await timedPost(server, '/asr', clips.different(clip));
  const workingMb = treeMemoryMb(server.pid);
  const limit = performance.now() + UNLOAD_LIMIT_MS;
  for (;;) {
    const health = (await (await fetch(`${server.url}/health`)).json()) as { loaded_models: string[] };
    if (health.loaded_models.length === 0) break;
    if (performance.now() > limit) throw new Error('The engine is not unloaded: see DIARIST_IDLE_SECONDS.');
    await delay(500);
  }
  await delay(SETTLE_MS);
  return {
    startedMb: round(startedMb, 0),
    workingMb: round(workingMb, 0),
    unloadedMb: round(treeMemoryMb(server.pid), 0),
  };
}
