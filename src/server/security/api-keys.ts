import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { DiaristError } from '../../core/errors.ts';

/** What a key may do. `admin` may do everything. */
export const SCOPES = ['audio:stt', 'audio:tts', 'status:read', 'services:control', 'hosts:install', 'admin'] as const;

export type Scope = (typeof SCOPES)[number];

/** How much a key may use; an absent limit is none. */
export interface KeyLimits {
  readonly requestsPerMinute?: number;
  /** Jobs that are queued or running at the same time. */
  readonly concurrentJobs?: number;
  readonly audioSecondsPerDay?: number;
  readonly audioSecondsPerMonth?: number;
}

/** A key without its secret. Times are milliseconds since 1970. */
export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly limits: KeyLimits;
  readonly createdAt: number;
  readonly revokedAt?: number;
  readonly lastUsedAt?: number;
}

const KEY = /^dia_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;
const ID_BYTES = 6;
const SECRET_BYTES = 32;
/** `last used` is for people: a write a minute is enough. */
const LAST_USED_STEP_MS = 60_000;

/**
 * The API keys of a server, in a SQLite file of their own, so that the command line changes them while the server runs.
 * Only SHA-256 of a key is stored: it has 256 random bits, so nothing is gained by a slow hash.
 */
export class ApiKeys implements Disposable {
  readonly #database: DatabaseSync;
  readonly #byId: StatementSync;
  readonly #used: StatementSync;
  readonly #count: StatementSync;

  /** Opens or creates the file below the data folder. Throws `output_unwritable` or `data_damaged`. */
  constructor(dataDir: string) {
    const path = join(dataDir, 'keys.sqlite');
    try {
      mkdirSync(dirname(path), { recursive: true });
      this.#database = new DatabaseSync(path, { timeout: 5000 });
      chmodSync(path, 0o600);
      this.#database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${TABLES}`);
    } catch (error) {
      throw unusable(path, error);
    }
    this.#byId = this.#database.prepare('SELECT * FROM keys WHERE id = ?');
    this.#used = this.#database.prepare('UPDATE keys SET last_used_at = ? WHERE id = ?');
    this.#count = this.#database.prepare('SELECT count(*) AS keys FROM keys');
  }

  /** Makes a key and returns its text, which cannot be had again. */
  create(
    name: string,
    scopes: readonly Scope[],
    limits: KeyLimits = {},
  ): { readonly key: string; readonly facts: ApiKey } {
    const id = randomBytes(ID_BYTES).toString('hex');
    const key = `dia_${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
    const facts: ApiKey = { id, name, scopes, limits, createdAt: Date.now() };
    this.#database
      .prepare('INSERT INTO keys (id, name, hash, scopes, limits, created_at) VALUES (?, ?, ?, ?, ?, ?)')
      .run(id, name, sha256(key), JSON.stringify(scopes), JSON.stringify(limits), facts.createdAt);
    return { key, facts };
  }

  /** Every key there ever was, the oldest first. */
  list(): readonly ApiKey[] {
    return this.#database.prepare('SELECT * FROM keys ORDER BY created_at, id').all().map(toApiKey);
  }

  /** Takes a key back, by its id or its name. Throws `usage` where that is none, several, or revoked already. */
  revoke(idOrName: string): ApiKey {
    const meant = this.list().filter((key) => key.id === idOrName || key.name === idOrName);
    const [key, another] = meant.filter((one) => one.revokedAt === undefined);
    if (key === undefined) {
      const state = meant.length > 0 ? 'is revoked already' : 'is no key of this server';
      throw new DiaristError('usage', `"${idOrName}" ${state}: see "diarist keys list".`);
    }
    if (another !== undefined) {
      throw new DiaristError('usage', `Several keys have the name "${idOrName}": revoke them by their ids.`);
    }
    this.#database.prepare('UPDATE keys SET revoked_at = ? WHERE id = ?').run(Date.now(), key.id);
    return key;
  }

  /** The key that a caller showed, where it is valid now. */
  find(key: string): ApiKey | undefined {
    const id = KEY.exec(key)?.[1];
    const row = id === undefined ? undefined : this.#byId.get(id);
    // A wrong id takes as long as a wrong secret.
    const expected = row === undefined ? NO_HASH : Buffer.from(row.hash as Uint8Array);
    if (!timingSafeEqual(sha256(key), expected) || row === undefined) return undefined;
    const found = toApiKey(row);
    if (found.revokedAt !== undefined) return undefined;
    this.#noteUse(found);
    return found;
  }

  #noteUse({ id, lastUsedAt = 0 }: ApiKey): void {
    const now = Date.now();
    if (now - lastUsedAt <= LAST_USED_STEP_MS) return;
    try {
      this.#used.run(now, id);
    } catch {
      // A full disk is no reason to turn away a key that is right.
    }
  }

  /** Limits of a client; none where it has no key. */
  limitsOf(client: string): KeyLimits {
    const row = this.#byId.get(client);
    return row === undefined ? {} : toApiKey(row).limits;
  }

  /**
   * True once the first key was made, even where all are revoked by now: who takes the last key back wants nobody in, not
   * everybody.
   */
  isInUse(): boolean {
    return Number(this.#count.get()?.keys) > 0;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

const TABLES = `
  CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    scopes TEXT NOT NULL,
    limits TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    last_used_at INTEGER
  ) STRICT;
`;

const NO_HASH = Buffer.alloc(32);

const sha256 = (key: string): Buffer => createHash('sha256').update(key).digest();

function toApiKey(row: Readonly<Record<string, unknown>>): ApiKey {
  return {
    id: String(row.id),
    name: String(row.name),
    scopes: JSON.parse(String(row.scopes)) as Scope[],
    limits: JSON.parse(String(row.limits)) as KeyLimits,
    createdAt: Number(row.created_at),
    ...(row.revoked_at !== null && { revokedAt: Number(row.revoked_at) }),
    ...(row.last_used_at !== null && { lastUsedAt: Number(row.last_used_at) }),
  };
}

function unusable(path: string, error: unknown): DiaristError {
  const notADatabase = (error as { errcode?: number }).errcode === 26;
  return notADatabase
    ? new DiaristError('data_damaged', `The file of API keys ${path} is damaged: put a copy of it back.`, {
        cause: error,
      })
    : new DiaristError(
        'output_unwritable',
        `The file of API keys ${path} cannot be opened (${(error as Error).message}): check DIARIST_DATA.`,
        { cause: error },
      );
}
