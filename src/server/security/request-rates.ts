const MINUTE_MS = 60_000;

interface Bucket {
  tokens: number;
  filledAt: number;
}

/**
 * Token buckets: a key may send its requests of a minute at once, and gets new ones evenly. They live in memory: a restart
 * gives everybody a fresh minute.
 */
export class RequestRates {
  readonly #buckets = new Map<string, Bucket>();

  /** Counts a request of a key. Seconds to wait where there were too many, else 0. */
  take(key: string, perMinute: number | undefined, nowMs: number = performance.now()): number {
    if (perMinute === undefined) return 0;
    const bucket = this.#buckets.get(key) ?? { tokens: perMinute, filledAt: nowMs };
    const earned = ((nowMs - bucket.filledAt) / MINUTE_MS) * perMinute;
    bucket.tokens = Math.min(perMinute, bucket.tokens + earned);
    bucket.filledAt = nowMs;
    this.#buckets.set(key, bucket);
    if (bucket.tokens < 1) return ((1 - bucket.tokens) / perMinute) * (MINUTE_MS / 1000);
    bucket.tokens--;
    return 0;
  }
}
