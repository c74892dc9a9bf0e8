import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { allJobs, hasEnded, postJob, statesOf, transcriptOf } from '../jobs-client.ts';
import { descendants, engineHosts, isAlive } from '../processes.ts';
import { type ScratchFolder, scratchFolder } from '../scratch-folder.ts';
import { SeededRandom } from '../seeded-random.ts';
import { leftovers, type RunningServer, startServer } from '../server.ts';
import { spokenClips, withOtherBytes } from './spoken-clips.ts';

/** CI takes a small dose; `npm run chaos` the one that the project promises. */
const { jobs: JOBS, kills: KILLS } =
  process.env.DIARIST_TEST_CHAOS === 'full' ? { jobs: 50, kills: 100 } : { jobs: 10, kills: 6 };
const LONGEST_PAUSE_MS = 1500;
const TIME_LIMIT_MS = 60_000 + KILLS * 15_000;

it.skipIf(process.platform !== 'linux')(
  `${KILLS} kills of server and engine while ${JOBS} jobs run: every job succeeds, once, with its text`,
  { timeout: 2 * TIME_LIMIT_MS },
  async () => {
    const random = new SeededRandom();
    console.log(`chaos: DIARIST_TEST_SEED=${random.seed}`);
    await using scratch = await scratchFolder();
    const clips = await spokenClips(scratch, JOBS);
    const undisturbed = await subtitlesOf(clips, scratch.file('undisturbed'));

    await using chaos = new Chaos(scratch, random);
    await chaos.start();
    let rounds = 0;
    while (chaos.kills < KILLS) {
      const round = rounds++;
      const copies = await Promise.all(
        clips.map((clip, index) => withOtherBytes(clip, scratch.file(`round-${round}-${index}.wav`), round)),
      );
      await Promise.all([...copies.map((copy) => chaos.submit(copy)), chaos.killUntilDone(KILLS)]);
    }
    await chaos.settled();

    const jobs = await allJobs(chaos.url);
    expect(
      jobs.map(({ state, error, name }) => ({ state, error, name })).filter(({ state }) => state !== 'succeeded'),
    ).toEqual([]);
    expect(jobs).toHaveLength(rounds * JOBS);
    expect(new Set(jobs.map(({ id }) => id))).toEqual(new Set(chaos.accepted.values()));
    expect(jobs.some(({ attempts }) => attempts > 1)).toBe(true);
    for (const job of jobs) {
      const states = await statesOf(chaos.url, job.id);
      expect(states.filter((state) => !['queued', 'running'].includes(state))).toEqual(['succeeded']);
      const index = Number(/-(\d+)\.wav$/.exec(job.name)?.[1]);
      expect(await transcriptOf(chaos.url, job.id, 'srt')).toBe(undisturbed[index]);
    }

    await chaos.stop();
    await expect.poll(() => [...chaos.processes].filter(isAlive), { timeout: 10_000 }).toEqual([]);
    expect(await leftovers(chaos.dataDir)).toEqual([]);
    using database = new DatabaseSync(path.join(chaos.dataDir, 'jobs/jobs.sqlite'), { readOnly: true });
    expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
  },
);

/** Subtitles of every clip by a server that nobody disturbs. */
async function subtitlesOf(clips: readonly string[], dataDir: string): Promise<string[]> {
  await using server = await startServer({ dataDir });
  const accepted = await Promise.all(clips.map((clip) => postJob(server.url, clip)));
  await server.whileItRuns(
    expect
      .poll(async () => (await allJobs(server.url)).every(hasEnded), { timeout: TIME_LIMIT_MS, interval: 500 })
      .toBe(true),
  );
  return await Promise.all(accepted.map(({ id }) => transcriptOf(server.url, id, 'srt')));
}

/** A server that is killed, or whose engine is killed, at random moments, and started again. */
class Chaos implements AsyncDisposable {
  /** Job ids by file name. */
  readonly accepted = new Map<string, string>();
  /** Every process that was ever seen below a server. */
  readonly processes = new Set<number>();
  readonly dataDir: string;
  kills = 0;
  readonly #random: SeededRandom;
  #server: RunningServer | undefined;
  #isOver = false;

  constructor(scratch: ScratchFolder, random: SeededRandom) {
    this.dataDir = scratch.file('data');
    this.#random = random;
  }

  get url(): string {
    if (this.#server === undefined) throw new Error('The server is down.');
    return this.#server.url;
  }

  async start(): Promise<void> {
    this.#server = await startServer({ dataDir: this.dataDir });
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#server?.[Symbol.asyncDispose]();
  }

  /** Posts until an answer comes through, as a client with retries does. */
  async submit(file: string): Promise<void> {
    while (!this.#isOver) {
      try {
        const { id } = await postJob(this.url, file);
        this.accepted.set(path.basename(file), id);
        return;
      } catch (error) {
        if (error instanceof Error && error.message.startsWith('POST ')) throw error;
        await delay(50);
      }
    }
  }

  /** Kills until so many kills were made or every job that was accepted has ended. */
  async killUntilDone(limit: number): Promise<void> {
    while (this.kills < limit) {
      await delay(this.#random.next() * LONGEST_PAUSE_MS);
      const { pid } = this.#server!;
      for (const own of descendants(pid)) this.processes.add(own);
      const hosts = engineHosts(pid);
      if (hosts.length > 0 && this.#random.next() < 0.5) {
        process.kill(this.#random.pick(hosts), 'SIGKILL');
      } else {
        if (await this.#allEnded()) return;
        const killed = this.#server!;
        this.#server = undefined;
        await killed.kill();
        await this.start();
      }
      this.kills += 1;
    }
  }

  async settled(): Promise<void> {
    const server = this.#server!;
    await server.whileItRuns(expect.poll(() => this.#allEnded(), { timeout: TIME_LIMIT_MS, interval: 500 }).toBe(true));
  }

  async #allEnded(): Promise<boolean> {
    const jobs = await allJobs(this.url);
    return jobs.length > 0 && jobs.every(hasEnded);
  }
}
