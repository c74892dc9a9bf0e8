import type { Seconds } from '../../core/units.ts';

/** Busy time over which the speed is averaged: long enough for short clips to matter, short enough to follow a change. */
const WINDOW_SECONDS = 600;
/** With less than this measured, a first clip with its model's start would promise nonsense. */
const MIN_BUSY_SECONDS = 5;

/** How much audio this machine gets through while it works, over all jobs that run at once. */
export class Throughput {
  #audioSeconds: Seconds = 0;
  #busySeconds: Seconds = 0;
  #working = 0;
  #lastAt = 0;

  /** So many jobs run from now (milliseconds) on. */
  working(jobs: number, at: number): void {
    this.#settle(at);
    this.#working = jobs;
  }

  /** So much audio was done since the last call. */
  done(audioSeconds: Seconds, at: number): void {
    this.#settle(at);
    this.#audioSeconds += audioSeconds;
    if (this.#busySeconds > WINDOW_SECONDS) {
      this.#busySeconds /= 2;
      this.#audioSeconds /= 2;
    }
  }

  /** Seconds of audio a wall second (RTFx), or undefined while too little was seen. */
  get realTimeFactor(): number | undefined {
    if (this.#busySeconds < MIN_BUSY_SECONDS || this.#audioSeconds === 0) return undefined;
    return this.#audioSeconds / this.#busySeconds;
  }

  #settle(at: number): void {
    if (this.#working > 0) this.#busySeconds += Math.max(0, at - this.#lastAt) / 1000;
    this.#lastAt = at;
  }
}
