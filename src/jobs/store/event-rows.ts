import type { JobEvent } from '../types.ts';
import type { JobDatabase, Row, Statement } from './database.ts';

/** What an event says, before it has its number. */
export type EventBody = JobEvent extends infer Event
  ? Event extends JobEvent
    ? Omit<Event, 'seq' | 'at'>
    : never
  : never;

/** The numbered events of the jobs. */
export class EventRows {
  readonly #append: Statement;
  readonly #forgetProgress: Statement;
  readonly #after: Statement;
  readonly #lastPart: Statement;
  readonly #isOpen: Statement;

  constructor(database: JobDatabase) {
    this.#append = database.prepare(
      `INSERT INTO events (job, seq, at, kind, body)
       SELECT :job, coalesce(max(seq), 0) + 1, :at, :kind, :body FROM events WHERE job = :job RETURNING seq`,
    );
    this.#forgetProgress = database.prepare(
      `DELETE FROM events WHERE job = :job AND kind = 'progress' AND seq < :before`,
    );
    this.#after = database.prepare('SELECT * FROM events WHERE job = :job AND seq > :after ORDER BY seq LIMIT :limit');
    this.#lastPart = database.prepare(
      `SELECT body FROM events WHERE job = :job AND kind = 'part' ORDER BY seq DESC LIMIT 1`,
    );
    this.#isOpen = database.prepare(`SELECT 1 FROM jobs WHERE seq = :job AND state IN ('queued', 'running')`);
  }

  /** Adds an event with the next number. Of progress only the newest is kept: who comes later has no use for the rest. */
  append(job: number, at: number, event: EventBody): JobEvent {
    const { kind, ...body } = event;
    const seq = Number(this.#append.get({ job, at, kind, body: JSON.stringify(body) })!.seq);
    if (kind === 'progress') this.#forgetProgress.run({ job, before: seq });
    return { seq, at, ...event } as JobEvent;
  }

  after(job: number, after: number, limit: number): JobEvent[] {
    return this.#after.all({ job, after, limit }).map(toEvent);
  }

  /** Position of the last part that was stored; -1 where there is none. */
  lastPart(job: number): number {
    const row = this.#lastPart.get({ job });
    return row ? (JSON.parse(String(row.body)) as { part: { index: number } }).part.index : -1;
  }

  /** True where the job exists and has not ended. */
  isOpen(job: number): boolean {
    return this.#isOpen.get({ job }) !== undefined;
  }
}

function toEvent(row: Row): JobEvent {
  const body = JSON.parse(String(row.body)) as object;
  return { seq: Number(row.seq), at: Number(row.at), kind: row.kind, ...body } as JobEvent;
}
