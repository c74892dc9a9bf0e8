import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, stat, unlink, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isProcessAlive, processPlace, processStart } from '../core/process-identity.ts';

export interface LockHolder {
  readonly pid: number;
  /** Machine and process namespace in which `pid` means something. */
  readonly place: string;
  /** When the process started, where the system tells: a pid may be given to another one later. */
  readonly startedAt: string;
  readonly token: string;
}

export interface LockOptions {
  readonly signal?: AbortSignal;
  /** Called once when somebody else holds the lock. */
  readonly onWait?: (holder: LockHolder) => void;
}

const POLL_MS = 200;
const HEARTBEAT_MS = 10_000;
/** A holder elsewhere, whose process cannot be looked at, is gone when its heartbeat has been missing this long. */
const SILENT_MS = 60_000;
/** The critical section of taking over a stale lock lasts milliseconds. */
const TAKEOVER_MS = 10_000;

/**
 * A lock between processes: a file that names its holder. The lock of a process that died is taken over at once on the
 * same machine, after a minute without heartbeat elsewhere (network disks, containers).
 */
export async function acquireLock(path: string, options: LockOptions = {}): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true });
  const own = ownIdentity();
  let announced = false;
  for (;;) {
    options.signal?.throwIfAborted();
    if (await createExclusively(path, JSON.stringify(own))) return holdLock(path, own);
    const holder = await readHolder(path);
    if (await isStale(path, holder)) {
      await removeStale(path, holder);
      continue;
    }
    if (holder !== null && !announced) {
      announced = true;
      options.onWait?.(holder);
    }
    await delay(POLL_MS, undefined, options.signal ? { signal: options.signal } : {});
  }
}

function holdLock(path: string, own: LockHolder): AsyncDisposable {
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(heartbeat);
      if ((await readHolder(path))?.token === own.token) await unlink(path).catch(() => {});
    },
  };
}

function ownIdentity(): LockHolder {
  return {
    pid: process.pid,
    place: processPlace(),
    startedAt: processStart(process.pid) ?? '',
    token: randomUUID(),
  };
}

async function isStale(path: string, holder: LockHolder | null): Promise<boolean> {
  const age = await ageMs(path);
  if (age === null) return false;
  // A file that names nobody was just created, or its writer died within the same millisecond.
  if (holder === null) return age > TAKEOVER_MS;
  if (holder.place === processPlace()) return !isProcessAlive(holder.pid, holder.startedAt);
  return age > SILENT_MS;
}

/** Removes a lock under a second one, so that two processes never both believe that they took it over. */
async function removeStale(path: string, seen: LockHolder | null): Promise<void> {
  const guard = `${path}.takeover`;
  if (!(await createExclusively(guard, String(process.pid)))) {
    const age = await ageMs(guard);
    if (age !== null && age > TAKEOVER_MS) await unlink(guard).catch(() => {});
    await delay(POLL_MS);
    return;
  }
  try {
    const current = await readHolder(path);
    if (current?.token === seen?.token) await unlink(path).catch(() => {});
  } finally {
    await unlink(guard).catch(() => {});
  }
}

async function createExclusively(path: string, content: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(content);
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function readHolder(path: string): Promise<LockHolder | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as LockHolder;
  } catch {
    return null;
  }
}

async function ageMs(path: string): Promise<number | null> {
  try {
    return Date.now() - (await stat(path)).mtimeMs;
  } catch {
    return null;
  }
}
