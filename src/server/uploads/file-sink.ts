import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DiaristError } from '../../core/errors.ts';
import type { SpooledFile } from '../../jobs/types.ts';

export interface FileLimits {
  /** Folder that the file is written to; made where it is missing. */
  readonly folder: string;
  /** A longer file is refused; 0 means any length. */
  readonly maxBytes: number;
}

/**
 * Writes a stream to a new file and hashes it on the way. Leaves no file behind when it throws: `input_too_large`,
 * `disk_full`, or what the stream failed with.
 */
export async function writeToDisk(
  source: NodeJS.ReadableStream,
  name: string,
  { folder, maxBytes }: FileLimits,
): Promise<SpooledFile> {
  const path = join(folder, `upload-${randomUUID()}`);
  const hash = createHash('sha256');
  let bytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      bytes += chunk.length;
      if (maxBytes > 0 && bytes > maxBytes) done(tooLarge(maxBytes));
      else {
        hash.update(chunk);
        done(null, chunk);
      }
    },
  });
  try {
    await mkdir(folder, { recursive: true });
    await pipeline(source, meter, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  } catch (error) {
    await rm(path, { force: true });
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
      throw new DiaristError(
        'disk_full',
        'The server’s disk is full: free space below its data folder and try again.',
        {
          cause: error,
        },
      );
    }
    throw error;
  }
  return { path, name: withoutFolders(name), bytes, sha256: hash.digest('hex') };
}

function tooLarge(maxBytes: number): DiaristError {
  const megabytes = Math.floor(maxBytes / 2 ** 20);
  const most = megabytes > 0 ? `${megabytes} MB` : `${maxBytes} bytes`;
  return new DiaristError(
    'input_too_large',
    `The recording is larger than the ${most} that this server takes: send a compressed or shorter one, or raise MAX_FILE_SIZE_MB.`,
  );
}

const LONGEST_NAME = 255;
const FALLBACK_NAME = 'recording';

/** The last part of a path of any platform, without what a terminal or a header could stumble over. */
function withoutFolders(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed.
  const last = basename(name.replaceAll('\\', '/')).replaceAll(/[\u0000-\u001f\u007f]/g, '');
  return last.slice(0, LONGEST_NAME) || FALLBACK_NAME;
}
