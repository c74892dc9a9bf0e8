import { setTimeout as delay } from 'node:timers/promises';
import { treeMemoryMb } from '../process-tree.ts';
import { round } from '../statistics.ts';
import type { Clips } from './clips.ts';
import { post } from './requests.ts';
import { readMetric, type SpawnedServer, spawnServer } from './spawned-server.ts';

export interface Endurance {
  readonly clients: number;
  readonly minutes: number;
  readonly requests: number;
  /** 429 and 503 that say when to come again. */
  readonly turnedAway: number;
  readonly errors: readonly string[];
  /** Worst of the samples. */
  readonly eventLoopDelayP99Ms: number;
  /** Mean of the whole process tree in the second and in the last quarter: the first one fills caches. */
  readonly memoryMbEarly: number;
  readonly memoryMbLate: number;
}

const CLIENTS = 32;
const SAMPLE_MS = 5000;
const MOST_ERRORS_TOLD = 20;

type Client = (server: SpawnedServer, clips: Clips, files: readonly string[], turn: number) => Promise<Response>;

/** What the clients do in turn: dictations, subtitles, speakers, streams, languages, durable jobs and looks. */
const KINDS: readonly Client[] = [
  (server, clips, [short]) =>
    post(server, '/v1/audio/transcriptions', clips.different(short!), { model: 'whisper-1', language: 'en' }),
  (server, clips, [, medium]) => post(server, '/asr?output=srt&diarize=false', clips.different(medium!)),
  (server, clips, [, medium]) => post(server, '/api/audio/transcribe-with-speakers', clips.different(medium!)),
  (server, clips, [short]) =>
    post(server, '/v1/audio/transcriptions', clips.different(short!), { model: 'whisper-1', stream: 'true' }),
  (server, clips, [short]) => post(server, '/detect-language', clips.different(short!)),
  durableJob,
  (server) => fetch(`${server.url}/health`),
  (server) => fetch(`${server.url}/v1/models`),
];

/** Mixed clients for some minutes: what went wrong, what memory and the event loop did. */
export async function measureEndurance(clips: Clips, minutes: number, log: (line: string) => void): Promise<Endurance> {
  await using server = await spawnServer({ DIARIST_OPEN_METRICS: 'true' });
  const files = [clips.cut(3), clips.cut(12)];
  const until = performance.now() + minutes * 60_000;
  const counts = { requests: 0, turnedAway: 0 };
  const errors: string[] = [];
  const samples: { memoryMb: number; delayMs: number }[] = [];
  const client = async (index: number): Promise<void> => {
    for (let turn = index; performance.now() < until; turn++) {
      const kind = turn % KINDS.length;
      const failure = await KINDS[kind]!(server, clips, files, turn).then(failureOf, String);
      counts.requests += 1;
      if (failure === 'turned away') {
        counts.turnedAway += 1;
        await delay(1000);
      } else if (failure !== undefined && errors.length < MOST_ERRORS_TOLD) errors.push(`kind ${kind}: ${failure}`);
    }
  };
  const watch = async (): Promise<void> => {
    while (performance.now() < until) {
      await delay(SAMPLE_MS);
      const delaySeconds = await readMetric(server, 'diarist_event_loop_delay_seconds{quantile="0.99"}');
      samples.push({ memoryMb: treeMemoryMb(server.pid), delayMs: delaySeconds * 1000 });
      log(`${samples.length * (SAMPLE_MS / 1000)} s: ${counts.requests} requests, ${errors.length} errors`);
    }
  };
  await Promise.all([watch(), ...Array.from({ length: CLIENTS }, (_, index) => client(index))]);
  const quarter = Math.ceil(samples.length / 4);
  const memory = samples.map(({ memoryMb }) => memoryMb);
  return {
    clients: CLIENTS,
    minutes,
    ...counts,
    errors,
    eventLoopDelayP99Ms: round(Math.max(...samples.map(({ delayMs }) => delayMs)), 1),
    memoryMbEarly: round(mean(memory.slice(quarter, 2 * quarter)), 0),
    memoryMbLate: round(mean(memory.slice(-quarter)), 0),
  };
}

/** A job that is asked for until it has ended. */
async function durableJob(server: SpawnedServer, clips: Clips, files: readonly string[]): Promise<Response> {
  const accepted = await post(server, '/api/jobs', clips.different(files[0]!));
  if (accepted.status !== 202) return accepted;
  const { id } = (await accepted.json()) as { id: string };
  for (;;) {
    const response = await fetch(`${server.url}/api/jobs/${id}`);
    if (!response.ok) return response;
    const { state } = (await response.clone().json()) as { state: string };
    if (state === 'succeeded') return response;
    if (state === 'failed' || state === 'cancelled') throw new Error(`a job ${state}`);
    await response.body?.cancel();
    await delay(500);
  }
}

async function failureOf(response: Response): Promise<string | undefined> {
  const body = await response.text();
  if (response.ok) return body.includes('"error":{') ? body.slice(0, 200) : undefined;
  const isAnnounced = (response.status === 429 || response.status === 503) && response.headers.has('retry-after');
  return isAnnounced ? 'turned away' : `${response.status} ${body.slice(0, 200)}`;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
