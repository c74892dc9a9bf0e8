import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { DiaristError, toDiaristError } from '../core/errors.ts';
import { downloadToFile, isWebAddress, limitBytes, type TransferLimits } from './download.ts';

export interface SourceOptions {
  /** Folder for what has to be brought to disk first; made where it is missing. */
  readonly tempDir: string;
  readonly limits?: Partial<TransferLimits>;
  readonly signal?: AbortSignal;
  /** What `-` reads. */
  readonly stdin?: Readable;
}

/** A recording on disk. Disposing of it removes what was made for it, never a person's own file. */
export interface LocalRecording extends AsyncDisposable {
  readonly path: string;
  /** Name for results and messages, without folders: `talk.mp3`; `stdin` for `-`. */
  readonly name: string;
  readonly temporary: boolean;
}

const DEFAULT_LIMITS: TransferLimits = { maxBytes: 16e9, maxSeconds: 6 * 3600, stallSeconds: 60 };

/** Temporary files that exist now: removed when the process exits before their owner could. */
const unfinished = new Set<string>();
let exitHooked = false;

/**
 * Brings what a person named as input to disk: a path stands there already; `-` (or a pipe given by path, as a shell's
 * process substitution) is read to its end; an http or https address is fetched. Other schemes are refused.
 *
 * Throws `input_not_found`, `input_unreadable`, `input_too_large`, `network`, `usage` (another scheme), `disk_full`,
 * `output_unwritable`, `cancelled`; no temporary file is left then.
 */
export async function openSource(reference: string, options: SourceOptions): Promise<LocalRecording> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  if (reference === '-') {
    return await temporary('stdin', options, (path) =>
      receive(options.stdin ?? process.stdin, 'stdin', path, limits, options.signal),
    );
  }
  const address = parseAddress(reference);
  if (address?.protocol === 'file:') return ownFile(fileURLToPath(address));
  if (address) {
    if (!isWebAddress(address)) {
      throw new DiaristError(
        'usage',
        `"${address.protocol}//" addresses cannot be read: give a file, an http or https address, or - for stdin.`,
      );
    }
    const name = lastPart(address);
    return await temporary(name, options, (path) => downloadToFile(address, path, limits, options.signal));
  }
  const found = await stat(reference).catch(() => undefined);
  if (found?.isFIFO() || found?.isSocket() || found?.isCharacterDevice()) {
    return await temporary(basename(reference), options, (path) =>
      receive(createReadStream(reference), reference, path, limits, options.signal),
    );
  }
  return ownFile(reference);
}

/** A reference with a scheme of two letters or more; one letter is a Windows drive. */
function parseAddress(reference: string): URL | undefined {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(reference)) return undefined;
  const address = URL.parse(reference);
  if (!address) throw new DiaristError('usage', `"${reference}" is not a valid address: check how it is written.`);
  return address;
}

function ownFile(path: string): LocalRecording {
  return { path: resolve(path), name: basename(path), temporary: false, [Symbol.asyncDispose]: async () => undefined };
}

function lastPart(address: URL): string {
  const part = address.pathname.split('/').at(-1) ?? '';
  try {
    return basename(decodeURIComponent(part)) || address.hostname;
  } catch {
    return part;
  }
}

async function temporary(
  name: string,
  options: SourceOptions,
  fill: (path: string) => Promise<void>,
): Promise<LocalRecording> {
  if (!exitHooked) {
    exitHooked = true;
    process.once('exit', () => {
      for (const path of unfinished) rmSync(path, { force: true });
    });
  }
  const path = join(options.tempDir, `input-${randomUUID()}`);
  const remove = () => {
    rmSync(path, { force: true });
    unfinished.delete(path);
  };
  try {
    await mkdir(options.tempDir, { recursive: true });
    unfinished.add(path);
    await fill(path);
  } catch (error) {
    remove();
    throw toDiaristError(error, 'output_unwritable');
  }
  return { path, name, temporary: true, [Symbol.asyncDispose]: async () => remove() };
}

async function receive(
  from: Readable,
  shown: string,
  path: string,
  limits: TransferLimits,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await pipeline(from, limitBytes(shown, limits.maxBytes), createWriteStream(path), signal ? { signal } : {});
  } catch (error) {
    if (signal?.aborted) throw new DiaristError('cancelled', 'Cancelled.', { cause: error });
    throw error;
  }
}
