import type { Progress } from '../pipeline/types.ts';

/** How a run of several recordings stands. */
export interface RunStanding {
  /** Of all recordings, 0 to 1. */
  readonly fraction: number;
  /** Audio seconds per wall second so far (RTFx); undefined until it means something. */
  readonly speed: number | undefined;
  readonly secondsLeft: number | undefined;
}

/** Below this the first figures jump too much to be shown. */
const SETTLED_AFTER_SECONDS = 1;
const SETTLED_FRACTION = 0.02;

/** Adds up the progress of recordings that run at the same time. */
export class RunSpeed {
  #total: number;
  readonly #now: () => number;
  readonly #latest = new Map<string, { fraction: number; doneSeconds: number }>();
  #startedAt: number | undefined;

  /** `total`: recordings of the run; `now`: a clock in milliseconds. */
  constructor(total: number, now: () => number = () => performance.now()) {
    this.#total = total;
    this.#now = now;
  }

  update(progress: Progress): void {
    this.#startedAt ??= this.#now();
    this.#latest.set(progress.id, { fraction: progress.fraction, doneSeconds: progress.doneSeconds });
  }

  /** A recording that failed or was done: nothing of it is left to do. One that never began tells nothing of the pace. */
  settle(id: string): void {
    const latest = this.#latest.get(id);
    if (latest === undefined) this.leaveOut();
    else this.#latest.set(id, { fraction: 1, doneSeconds: latest.doneSeconds });
  }

  /** A recording of the run on which no work is to be done. */
  leaveOut(): void {
    this.#total--;
  }

  standing(): RunStanding {
    let sum = 0;
    let doneSeconds = 0;
    for (const latest of this.#latest.values()) {
      sum += latest.fraction;
      doneSeconds += latest.doneSeconds;
    }
    const fraction = this.#total <= 0 ? 1 : Math.min(1, sum / this.#total);
    const elapsed = this.#startedAt === undefined ? 0 : (this.#now() - this.#startedAt) / 1000;
    const settled = elapsed >= SETTLED_AFTER_SECONDS && fraction >= SETTLED_FRACTION;
    return {
      fraction,
      speed: settled && doneSeconds > 0 ? doneSeconds / elapsed : undefined,
      secondsLeft: settled ? (elapsed * (1 - fraction)) / fraction : undefined,
    };
  }
}
