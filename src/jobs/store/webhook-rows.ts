import { randomUUID } from 'node:crypto';
import type { Delivery, Webhook } from '../types.ts';
import type { JobDatabase, Row, Statement } from './database.ts';

/** An attempt that is due, and where it goes. */
export interface DueDelivery {
  /** `webhook-id` of the message. */
  readonly id: string;
  readonly attempt: number;
  readonly jobId: string;
  readonly url: string;
  /** Absent: the server's own. */
  readonly secret?: string;
}

/** What an attempt led to; absent fields were not learnt. */
export interface DeliveryOutcome {
  readonly state: 'delivered' | 'failed';
  readonly httpStatus?: number;
  readonly error?: string;
}

/** Who is to be told of the end of a job, and what became of it. */
export class WebhookRows {
  readonly #add: Statement;
  readonly #schedule: Statement;
  readonly #due: Statement;
  readonly #nextAt: Statement;
  readonly #conclude: Statement;
  readonly #retry: Statement;
  readonly #ofJob: Statement;

  constructor(database: JobDatabase) {
    // A retry of the same submission names the same URL again: one message.
    this.#add = database.prepare(
      'INSERT INTO webhooks (id, job, url, secret) VALUES (:id, :job, :url, :secret) ON CONFLICT (job, url) DO NOTHING',
    );
    this.#schedule = database.prepare(
      `INSERT INTO deliveries (webhook, attempt, at, state) SELECT id, 1, :at, 'pending' FROM webhooks WHERE job = :job
       ON CONFLICT DO NOTHING`,
    );
    this.#due = database.prepare(
      `SELECT webhooks.id, attempt, webhooks.url, secret, jobs.id AS job_id FROM deliveries
       JOIN webhooks ON webhooks.id = webhook JOIN jobs ON jobs.seq = job
       WHERE deliveries.state = 'pending' AND at <= :now ORDER BY at LIMIT 100`,
    );
    this.#nextAt = database.prepare(`SELECT min(at) AS at FROM deliveries WHERE state = 'pending' AND at > :now`);
    this.#conclude = database.prepare(
      `UPDATE deliveries SET state = :state, at = :at, http_status = :httpStatus, error = :error
       WHERE webhook = :id AND attempt = :attempt AND state = 'pending'`,
    );
    this.#retry = database.prepare(
      `INSERT INTO deliveries (webhook, attempt, at, state) VALUES (:id, :attempt, :at, 'pending')`,
    );
    this.#ofJob = database.prepare(
      `SELECT deliveries.* FROM deliveries JOIN webhooks ON webhooks.id = webhook WHERE job = :job
       ORDER BY webhook, attempt`,
    );
  }

  add(job: number, { url, secret }: Webhook): void {
    this.#add.run({ id: `msg_${randomUUID()}`, job, url, secret: secret ?? null });
  }

  /** Has everyone told who is to be told of the job and was not yet. */
  schedule(job: number, at: number): void {
    this.#schedule.run({ job, at });
  }

  due(now: number): DueDelivery[] {
    return this.#due.all({ now }).map((row) => ({
      id: String(row.id),
      attempt: Number(row.attempt),
      jobId: String(row.job_id),
      url: String(row.url),
      ...(row.secret !== null && { secret: String(row.secret) }),
    }));
  }

  /** When the first attempt behind `now` is due. */
  nextAt(now: number): number | undefined {
    const at = this.#nextAt.get({ now })?.at;
    return typeof at === 'number' ? at : undefined;
  }

  /** False where the delivery is not there any more: its job was deleted. */
  conclude(delivery: DueDelivery, at: number, { state, httpStatus, error }: DeliveryOutcome): boolean {
    const { id, attempt } = delivery;
    return this.#conclude.run({ id, attempt, at, state, httpStatus: httpStatus ?? null, error: error ?? null }) === 1;
  }

  retry({ id, attempt }: DueDelivery, at: number): void {
    this.#retry.run({ id, attempt: attempt + 1, at });
  }

  ofJob(job: number): Delivery[] {
    return this.#ofJob.all({ job }).map(toDelivery);
  }
}

function toDelivery(row: Row): Delivery {
  return {
    id: String(row.webhook),
    attempt: Number(row.attempt),
    at: Number(row.at),
    state: row.state as Delivery['state'],
    ...(row.http_status !== null && { httpStatus: Number(row.http_status) }),
    ...(row.error !== null && { error: String(row.error) }),
  };
}
