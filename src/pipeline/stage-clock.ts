import type { Seconds } from '../core/units.ts';

/**
 * Wall time of stages: from when the first work of a stage begins to when the last ends. Stages overlap, so they may add up
 * to more than the whole.
 */
export class StageClock {
  readonly #startedAt = performance.now();
  readonly #spans = new Map<string, { readonly from: number; to: number }>();

  /** Counts the time until `work` has ended for a stage. */
  async time<T>(stage: string, work: Promise<T>): Promise<T> {
    const span = this.#spans.get(stage) ?? { from: performance.now(), to: 0 };
    this.#spans.set(stage, span);
    try {
      return await work;
    } finally {
      span.to = performance.now();
    }
  }

  /** Seconds by stage, to the millisecond, and `total` since the clock was made. */
  read(): Record<string, Seconds> {
    const seconds: Record<string, Seconds> = {};
    for (const [stage, { from, to }] of this.#spans) seconds[stage] = Math.round(to - from) / 1000;
    seconds.total = Math.round(performance.now() - this.#startedAt) / 1000;
    return seconds;
  }
}
