import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { DiaristError } from '../../core/errors.ts';
import { migrate } from './migrations.ts';

export type Row = Readonly<Record<string, string | number | bigint | null | Uint8Array>>;

/** A prepared statement whose failures are in the catalogue of errors. Named parameters are given without their sigil. */
export interface Statement {
  get(parameters?: Readonly<Record<string, SQLInputValue>>): Row | undefined;
  all(parameters?: Readonly<Record<string, SQLInputValue>>): Row[];
  /** Number of rows that were changed. */
  run(parameters?: Readonly<Record<string, SQLInputValue>>): number;
}

/**
 * The SQLite file of the jobs. Everything here is synchronous: a statement takes microseconds, a durable transaction one
 * write to the disk, and nothing else of this process can come between the statements of a transaction.
 */
export interface JobDatabase {
  prepare(sql: string): Statement;
  /**
   * Runs all or nothing. `durable` waits until the disk has it: for what somebody was promised. The rest survives the end
   * of this process but not a power failure.
   */
  transaction<T>(run: () => T, options?: { readonly durable?: boolean }): T;
  /** Lets nothing of deleted rows remain on the disk: they are overwritten in the file, and the log is emptied. */
  scrub(): void;
  close(): void;
}

/**
 * Opens or creates the file and brings its tables up to date. Throws `data_damaged`, `invalid_configuration` (written by
 * a newer version), `output_unwritable`, `disk_full`.
 */
export function openDatabase(path: string): JobDatabase {
  const checked = <T>(run: () => T): T => {
    try {
      return run();
    } catch (error) {
      throw storeError(error, path);
    }
  };
  const file = checked(() => {
    const opened = new DatabaseSync(path, { timeout: 5000 });
    try {
      opened.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;');
      migrate(opened, path);
    } catch (error) {
      opened.close();
      throw error;
    }
    return opened;
  });
  let inTransaction = false;
  return {
    prepare(sql) {
      const statement = checked(() => file.prepare(sql));
      return {
        get: (parameters = {}) => checked(() => statement.get(parameters)),
        all: (parameters = {}) => checked(() => statement.all(parameters)),
        run: (parameters = {}) => Number(checked(() => statement.run(parameters)).changes),
      };
    },
    transaction(run, options = {}) {
      // Joins the one that is under way: its owner decides how durable it is.
      if (inTransaction) return run();
      return checked(() => {
        if (options.durable) file.exec('PRAGMA synchronous = FULL');
        inTransaction = true;
        try {
          file.exec('BEGIN IMMEDIATE');
          const result = run();
          file.exec('COMMIT');
          return result;
        } catch (error) {
          // SQLite has rolled back by itself where the disk was full.
          if (file.isTransaction) file.exec('ROLLBACK');
          throw error;
        } finally {
          inTransaction = false;
          if (options.durable) file.exec('PRAGMA synchronous = NORMAL');
        }
      });
    },
    scrub: () => checked(() => file.exec('PRAGMA wal_checkpoint(TRUNCATE)')),
    close: () => file.close(),
  };
}

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const SQLITE = { busy: 5, readOnly: 8, ioError: 10, corrupt: 11, full: 13, cannotOpen: 14, notADatabase: 26 } as const;

function storeError(error: unknown, path: string): unknown {
  const code = (error as { errcode?: number } | undefined)?.errcode;
  if (code === undefined) return error;
  switch (code & 0xff) {
    case SQLITE.corrupt:
    case SQLITE.notADatabase:
      return new DiaristError(
        'data_damaged',
        `The database of the jobs ${path} is damaged: put a copy of it back, or move it away to begin with an empty one.`,
        { cause: error },
      );
    case SQLITE.full:
      return new DiaristError('disk_full', `The disk of ${path} is full: free some space and try again.`, {
        cause: error,
      });
    case SQLITE.readOnly:
    case SQLITE.cannotOpen:
    case SQLITE.ioError:
      return new DiaristError(
        'output_unwritable',
        `The database of the jobs ${path} cannot be read or written (${(error as Error).message}): check the folder and its disk, or name another one in DIARIST_DATA.`,
        { cause: error },
      );
    default:
      return error;
  }
}
