import type { DatabaseSync } from 'node:sqlite';
import { DiaristError } from '../../core/errors.ts';

/** Each brings the tables from the version of its index to the next; never edited once it was released. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    client TEXT NOT NULL,
    dialect TEXT NOT NULL,
    priority TEXT NOT NULL,
    name TEXT NOT NULL,
    url TEXT,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    options TEXT NOT NULL,
    join_key TEXT NOT NULL,
    durable INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    expires_at INTEGER,
    upload_until INTEGER,
    stage TEXT,
    progress REAL NOT NULL DEFAULT 0,
    audio_seconds REAL,
    estimated_seconds REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    engine_crashes INTEGER NOT NULL DEFAULT 0,
    crash_progress REAL NOT NULL DEFAULT 0,
    error_code TEXT,
    error_message TEXT,
    reason TEXT
  ) STRICT;
  CREATE INDEX jobs_by_content ON jobs (client, join_key, state);
  CREATE INDEX jobs_by_state ON jobs (state, seq);
  CREATE INDEX jobs_by_client ON jobs (client, id);
  CREATE INDEX jobs_by_expiry ON jobs (expires_at) WHERE expires_at IS NOT NULL;
  CREATE INDEX jobs_by_upload ON jobs (upload_until) WHERE upload_until IS NOT NULL;

  CREATE TABLE events (
    job INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE transcripts (
    job INTEGER PRIMARY KEY REFERENCES jobs (seq) ON DELETE CASCADE,
    body TEXT NOT NULL
  ) STRICT;

  CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    job INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    url TEXT NOT NULL,
    secret TEXT,
    UNIQUE (job, url)
  ) STRICT;

  CREATE TABLE deliveries (
    webhook TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    http_status INTEGER,
    error TEXT,
    PRIMARY KEY (webhook, attempt)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX deliveries_to_make ON deliveries (at) WHERE state = 'pending';

  -- No reference to the job: what a client used stays known after the job is deleted.
  CREATE TABLE usage (
    client TEXT NOT NULL,
    at INTEGER NOT NULL,
    audio_seconds REAL NOT NULL
  ) STRICT;
  CREATE INDEX usage_by_client ON usage (client, at);
  `,
  `
  ALTER TABLE jobs ADD COLUMN ran_long INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN server_losses INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN loss_progress REAL NOT NULL DEFAULT 0;
  `,
];

/** Throws `invalid_configuration` where a newer version of the program wrote the file. */
export function migrate(file: DatabaseSync, path: string): void {
  const version = Number(file.prepare('PRAGMA user_version').get()?.user_version);
  if (version > MIGRATIONS.length) {
    throw new DiaristError(
      'invalid_configuration',
      `The database of the jobs ${path} was written by a newer version of diarist: run that version, or name another folder in DIARIST_DATA.`,
    );
  }
  for (let next = version; next < MIGRATIONS.length; next++) {
    file.exec(`BEGIN IMMEDIATE; ${MIGRATIONS[next]}; PRAGMA user_version = ${next + 1}; COMMIT;`);
  }
}
