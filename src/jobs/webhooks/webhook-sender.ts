import { Webhook } from 'standardwebhooks';
import { DiaristError } from '../../core/errors.ts';
import type { GuardedFetch } from '../../core/guarded-fetch.ts';
import { LONGEST_TIMER_MS } from '../../core/timers.ts';
import type { Seconds } from '../../core/units.ts';
import type { JobDatabase } from '../store/database.ts';
import type { JobRows } from '../store/job-rows.ts';
import type { DeliveryOutcome, DueDelivery, WebhookRows } from '../store/webhook-rows.ts';
import { jobMessage } from './job-message.ts';

/** Waits between attempts: the schedule that the Standard Webhooks specification recommends. */
export const RETRY_SECONDS: readonly Seconds[] = [
  5,
  5 * 60,
  30 * 60,
  2 * 3600,
  5 * 3600,
  10 * 3600,
  14 * 3600,
  20 * 3600,
  24 * 3600,
];
/** So that receivers that came back are not met by all at once. */
const JITTER = 0.1;
const MAX_UNDER_WAY = 8;
const STORE_AGAIN_MS = 30_000;

export interface SenderSettings {
  readonly secret: string;
  readonly timeoutSeconds: Seconds;
  readonly attempts: number;
  readonly retrySeconds: readonly Seconds[];
}

/**
 * Tells receivers how jobs ended. Every attempt is a row before it is made, so that a message outlives the server and is
 * delivered at least once, always under the same `webhook-id`.
 */
export class WebhookSender {
  readonly #database: JobDatabase;
  readonly #rows: WebhookRows;
  readonly #jobs: JobRows;
  readonly #guarded: GuardedFetch;
  readonly #settings: SenderSettings;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    database: JobDatabase,
    rows: { readonly webhooks: WebhookRows; readonly jobs: JobRows },
    guarded: GuardedFetch,
    settings: SenderSettings,
  ) {
    this.#database = database;
    this.#rows = rows.webhooks;
    this.#jobs = rows.jobs;
    this.#guarded = guarded;
    this.#settings = settings;
  }

  /** Makes the attempts that are due, and waits for those that are not. */
  wake(): void {
    if (this.#closing.signal.aborted) return;
    clearTimeout(this.#timer);
    const now = Date.now();
    for (const delivery of this.#rows.due(now)) {
      if (this.#underWay.size >= MAX_UNDER_WAY) return;
      if (this.#underWay.has(delivery.id)) continue;
      this.#underWay.set(delivery.id, this.#deliver(delivery));
    }
    const next = this.#rows.nextAt(now);
    if (next !== undefined) this.#wakeIn(Math.min(next - now, LONGEST_TIMER_MS));
  }

  /** Breaks off what is under way; it stays due. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#timer);
    await Promise.all(this.#underWay.values());
  }

  async #deliver(delivery: DueDelivery): Promise<void> {
    try {
      const outcome = await this.#attempt(delivery);
      if (!this.#closing.signal.aborted) this.#conclude(delivery, outcome);
      this.#underWay.delete(delivery.id);
      this.wake();
    } catch {
      // The store failed: the attempt stays due, and is made again once there is reason to think that it can be stored.
      this.#underWay.delete(delivery.id);
      this.#wakeIn(STORE_AGAIN_MS);
    }
  }

  #wakeIn(milliseconds: number): void {
    if (this.#closing.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      try {
        this.wake();
      } catch {
        this.#wakeIn(STORE_AGAIN_MS);
      }
    }, milliseconds);
    this.#timer.unref();
  }

  async #attempt({ id, jobId, url, secret }: DueDelivery): Promise<DeliveryOutcome> {
    const stored = this.#jobs.find(jobId);
    if (!stored) return { state: 'failed', error: 'the job was deleted' };
    const body = jobMessage(stored.job);
    const at = new Date();
    const deadline = AbortSignal.timeout(this.#settings.timeoutSeconds * 1000);
    try {
      const response = await this.#guarded.fetch(new URL(url), {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'diarist',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
          'webhook-signature': new Webhook(secret ?? this.#settings.secret).sign(id, at, body),
        },
        body,
        signal: AbortSignal.any([deadline, this.#closing.signal]),
      });
      // What a receiver says beside its status is of no use, and may be endless.
      await response.body?.cancel();
      const httpStatus = response.status;
      if (response.ok) return { state: 'delivered', httpStatus };
      return { state: 'failed', httpStatus, error: `the receiver answered HTTP ${httpStatus}` };
    } catch (error) {
      if (deadline.aborted) {
        return { state: 'failed', error: `no answer within ${this.#settings.timeoutSeconds} seconds` };
      }
      return { state: 'failed', error: reasonOf(error) };
    }
  }

  #conclude(delivery: DueDelivery, outcome: DeliveryOutcome): void {
    this.#database.transaction(() => {
      const now = Date.now();
      if (!this.#rows.conclude(delivery, now, outcome) || outcome.state === 'delivered') return;
      // 410 Gone: the specification's way of saying that nobody wants to hear it any more.
      if (outcome.httpStatus === 410 || delivery.attempt >= this.#settings.attempts) return;
      const { retrySeconds } = this.#settings;
      const seconds = retrySeconds[Math.min(delivery.attempt, retrySeconds.length) - 1] ?? 0;
      this.#rows.retry(delivery, now + Math.round(seconds * 1000 * (1 + JITTER * Math.random())));
    });
  }
}

/** Why no answer came, without the address: it may hold a key. */
function reasonOf(error: unknown): string {
  if (error instanceof DiaristError) return error.message;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code ? `the receiver could not be reached (${code})` : 'the receiver could not be reached';
}
