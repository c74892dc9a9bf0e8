import { DatabaseSync } from 'node:sqlite';
import { DiaristError } from '../../core/errors.ts';

/**
 * Makes this process the only one that works on a folder of jobs, until it is disposed of or the process ends in whatever
 * way: the lock is one of the operating system on an (empty) SQLite file, so that nothing stale can remain of it.
 *
 * Throws `invalid_configuration` where another process has it.
 */
export function lockDataFolder(path: string, dataDir: string): Disposable {
  const file = new DatabaseSync(path, { timeout: 0 });
  try {
    file.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    file.close();
    throw new DiaristError(
      'invalid_configuration',
      `Another diarist server uses the data folder ${dataDir}: stop it, or name another folder in DIARIST_DATA.`,
      { cause: error },
    );
  }
  return { [Symbol.dispose]: () => file.close() };
}
