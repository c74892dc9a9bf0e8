import type { Seconds } from '../../core/units.ts';
import type { Engines } from '../../host/types.ts';
import type { Priority, QueuePlace } from '../types.ts';
import { FairQueue, type QueueItem } from './fair-queue.ts';
import { Throughput } from './throughput.ts';

/** Share of a class. Not absolute: a stream of dictations must not hold up everybody's recordings for ever. */
const WEIGHT: Readonly<Record<Priority, number>> = { interactive: 16, normal: 4, batch: 1 };

/** A recording from which on it counts as long, and how many of those run at once: each holds memory for its length. */
const LONG_SECONDS: Seconds = 600;
const MAX_LONG_RUNNING = 4;

/**
 * Share of the places that only dictations take: with all of them held by recordings of minutes, which share the engine and
 * end together, a dictation would wait for those before its first chunk has its turn.
 */
const INTERACTIVE_SHARE = 0.25;

/** After so long without room for its model, nothing else is started until there is room. */
const MAX_WAIT_FOR_ROOM_MS = 60_000;
/** Engines end on their own time; nobody tells when there is room again. */
const ROOM_POLL_MS = 1000;

/** What the scheduler needs to know of a job. */
export interface ScheduledJob {
  readonly id: string;
  readonly seq: number;
  readonly client: string;
  readonly priority: Priority;
  readonly model: string;
  readonly audioSeconds: Seconds;
  /** Runs while nothing else does until it got further than this: it may be what crashes the engine there. */
  readonly aloneUntil?: number;
}

interface Item extends QueueItem {
  readonly job: ScheduledJob;
  /** Since when it is its turn without room for its model; milliseconds. */
  noRoomSince?: number;
}

interface Running {
  readonly item: Item;
  audioSeconds: Seconds;
  /** Share of the recording that is done. */
  progress: number;
  alone: boolean;
}

function isInteractive({ job }: Item): boolean {
  return job.priority === 'interactive';
}

/** Name of the flow of a job, here and among the chunks in the engine. */
export function flowOf(job: { readonly client: string; readonly priority: Priority }): string {
  return `${job.client}/${job.priority}`;
}

export function weightOf(priority: Priority): number {
  return WEIGHT[priority];
}

/**
 * Decides which job runs next: flows (one a client and priority class) share by seconds of audio, jobs inside a flow go in
 * order of arrival, as many run at once as the limits and the memory of the engines allow.
 */
export class Scheduler {
  readonly #engines: Pick<Engines, 'hasRoomFor'>;
  readonly #maxRunning: number;
  readonly #start: (id: string) => void;
  readonly #queue = new FairQueue<Item>();
  readonly #waiting = new Map<string, Item>();
  readonly #running = new Map<string, Running>();
  readonly #throughput = new Throughput();
  #order: readonly Item[] | undefined;
  #pumping = false;
  #stopped = false;
  #roomPoll: NodeJS.Timeout | undefined;

  /** `start` is called for each job whose turn has come; {@link finished} ends its turn. */
  constructor(engines: Pick<Engines, 'hasRoomFor'>, maxRunning: number, start: (id: string) => void) {
    this.#engines = engines;
    this.#maxRunning = maxRunning;
    this.#start = start;
  }

  get queued(): number {
    return this.#waiting.size;
  }

  get running(): number {
    return this.#running.size;
  }

  add(job: ScheduledJob): void {
    const item: Item = {
      job,
      id: job.id,
      flow: flowOf(job),
      weight: weightOf(job.priority),
      order: job.seq,
      costSeconds: job.audioSeconds,
    };
    this.#queue.add(item);
    this.#waiting.set(job.id, item);
    this.#changed();
  }

  /** Takes a job out of the queue; one that runs stays until it is {@link finished}. */
  remove(id: string): void {
    const item = this.#waiting.get(id);
    if (!item) return;
    this.#waiting.delete(id);
    this.#queue.remove(item);
    this.#restIfIdle();
    this.#changed();
  }

  finished(id: string): void {
    if (!this.#running.delete(id)) return;
    this.#throughput.working(this.#running.size, Date.now());
    this.#restIfIdle();
    this.#changed();
  }

  /** How far a running job is, and how long it is. What it did before (`from` a checkpoint) took no time. */
  progressed(id: string, progress: number, audioSeconds: Seconds, from: number): void {
    const running = this.#running.get(id);
    if (!running) return;
    if (audioSeconds > 0 && audioSeconds !== running.audioSeconds) {
      const { flow, weight } = running.item;
      this.#queue.charge(flow, weight, audioSeconds - running.audioSeconds);
      running.audioSeconds = audioSeconds;
      this.#order = undefined;
    }
    const done = progress - Math.max(running.progress, from);
    if (done > 0) this.#throughput.done(done * running.audioSeconds, Date.now());
    running.progress = Math.max(running.progress, progress);
    if (running.alone && progress > (running.item.job.aloneUntil ?? 0)) {
      running.alone = false;
      this.#changed();
    }
  }

  place(id: string): QueuePlace | undefined {
    if (!this.#waiting.has(id)) return undefined;
    this.#order ??= this.#queue.inOrder();
    const position = this.#order.findIndex((item) => item.id === id);
    const factor = this.#throughput.realTimeFactor;
    if (factor === undefined) return { position };
    // With a free slot it waits for nobody but those before it.
    let aheadSeconds = 0;
    for (const { audioSeconds, progress } of this.#running.values()) aheadSeconds += audioSeconds * (1 - progress);
    for (const item of this.#order.slice(0, position)) aheadSeconds += item.costSeconds;
    return { position, etaSeconds: aheadSeconds / factor };
  }

  pendingAudioSeconds(client: string): Seconds {
    let total = 0;
    for (const { job } of this.#waiting.values()) if (job.client === client) total += job.audioSeconds;
    for (const { item, audioSeconds } of this.#running.values()) if (item.job.client === client) total += audioSeconds;
    return total;
  }

  /** Starts no more jobs. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#roomPoll);
  }

  /** What still runs may turn out longer than its flow was charged for: until then nothing is settled. */
  #restIfIdle(): void {
    if (this.#running.size === 0) this.#queue.rest();
  }

  #changed(): void {
    this.#order = undefined;
    if (this.#pumping) return;
    // Not from inside: a start that fails at once ends a job, which would come back here.
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#startDue();
    });
  }

  #startDue(): void {
    clearTimeout(this.#roomPoll);
    while (!this.#stopped && this.#running.size < this.#maxRunning) {
      const item = this.#next();
      if (!item) break;
      this.#queue.take(item);
      this.#waiting.delete(item.id);
      const alone = item.job.aloneUntil !== undefined;
      this.#running.set(item.id, { item, audioSeconds: item.costSeconds, progress: 0, alone });
      this.#order = undefined;
      this.#throughput.working(this.#running.size, Date.now());
      this.#start(item.id);
    }
  }

  #next(): Item | undefined {
    if ([...this.#running.values()].some((running) => running.alone)) return undefined;
    const alone = this.#queue.heads().find((item) => item.job.aloneUntil !== undefined);
    // While one waits to run alone, nothing is started, so that its turn comes.
    if (alone) return this.#running.size === 0 ? alone : undefined;
    const running = [...this.#running.values()];
    const longRunning = running.filter(({ audioSeconds }) => audioSeconds >= LONG_SECONDS).length;
    const recordings = running.filter(({ item }) => !isInteractive(item)).length;
    const places = this.#maxRunning - Math.floor(this.#maxRunning * INTERACTIVE_SHARE);
    const mayTakeTurn = (item: Item) =>
      isInteractive(item) ||
      (recordings < places && (item.costSeconds < LONG_SECONDS || longRunning < MAX_LONG_RUNNING));
    const patient = this.#withoutRoomForLong();
    const mayStart = (item: Item) =>
      mayTakeTurn(item) && (!patient || item.job.model === patient.job.model) && this.#hasRoom(item);
    return this.#queue.peek(mayStart);
  }

  #hasRoom(item: Item): boolean {
    if (this.#engines.hasRoomFor(item.job.model)) {
      delete item.noRoomSince;
      return true;
    }
    item.noRoomSince ??= Date.now();
    this.#pollForRoom();
    return false;
  }

  /** The job that has waited longest for room, where that is too long. */
  #withoutRoomForLong(): Item | undefined {
    const [oldest] = this.#queue
      .heads()
      .filter((item) => item.noRoomSince !== undefined)
      .sort((a, b) => a.noRoomSince! - b.noRoomSince!);
    return oldest && Date.now() - oldest.noRoomSince! >= MAX_WAIT_FOR_ROOM_MS ? oldest : undefined;
  }

  #pollForRoom(): void {
    clearTimeout(this.#roomPoll);
    this.#roomPoll = setTimeout(() => {
      this.#startDue();
    }, ROOM_POLL_MS);
    this.#roomPoll.unref();
  }
}
