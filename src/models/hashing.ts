import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const READ_BYTES = 1 << 20;

/** SHA-256 of a file's bytes, in hexadecimal. */
export function sha256OfFile(path: string, signal?: AbortSignal): Promise<string> {
  return digestOfFile(path, 'sha256', '', signal);
}

/** The object id that git gives a file: SHA-1 over `blob SIZE\0` and its bytes. Hugging Face names small files so. */
export async function gitBlobId(path: string, signal?: AbortSignal): Promise<string> {
  return digestOfFile(path, 'sha1', `blob ${(await stat(path)).size}\0`, signal);
}

async function digestOfFile(
  path: string,
  algorithm: 'sha256' | 'sha1',
  prefix: string,
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash(algorithm).update(prefix);
  const stream = createReadStream(path, { highWaterMark: READ_BYTES, ...(signal && { signal }) });
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

interface RememberedHash {
  readonly size: number;
  readonly modifiedMs: number;
  readonly sha256: string;
}

/** Remembers the SHA-256 of files outside the store by path, size and time of change: gigabytes are hashed once. */
export class HashMemory {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  async sha256(path: string, signal?: AbortSignal): Promise<string> {
    const target = await realpath(path);
    const { size, mtimeMs: modifiedMs } = await stat(target);
    const record = join(this.#dir, `${createHash('sha256').update(target).digest('hex')}.json`);
    const known = await readRecord(record);
    if (known !== null && known.size === size && known.modifiedMs === modifiedMs) return known.sha256;
    const sha256 = await sha256OfFile(target, signal);
    await this.#write(record, { size, modifiedMs, sha256 });
    return sha256;
  }

  /** A cache that cannot be written costs time, not correctness. */
  async #write(record: string, value: RememberedHash): Promise<void> {
    const temporary = `${record}.${process.pid}`;
    try {
      await mkdir(this.#dir, { recursive: true });
      await writeFile(temporary, JSON.stringify(value));
      await rename(temporary, record);
    } catch {}
  }
}

async function readRecord(path: string): Promise<RememberedHash | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as RememberedHash;
  } catch {
    return null;
  }
}
