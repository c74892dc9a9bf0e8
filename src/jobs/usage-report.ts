import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Usage } from './types.ts';

/**
 * What each client used between two times (milliseconds since 1970), read beside a server that may be running. Empty where
 * no server has ever run on the folder.
 */
export function readUsage(dataDir: string, since: number, until: number): ReadonlyMap<string, Usage> {
  const path = join(dataDir, 'jobs', 'jobs.sqlite');
  if (!existsSync(path)) return new Map();
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  try {
    const rows = database
      .prepare(
        `SELECT client, count(*) AS jobs, sum(audio_seconds) AS audio_seconds FROM usage
         WHERE at >= :since AND at < :until GROUP BY client`,
      )
      .all({ since, until });
    return new Map(
      rows.map((row) => [String(row.client), { jobs: Number(row.jobs), audioSeconds: Number(row.audio_seconds) }]),
    );
  } finally {
    database.close();
  }
}
