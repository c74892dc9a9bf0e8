import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { downloadToFile, type RequestHop } from '../audio/download.ts';
import type { GuardedFetch } from '../core/guarded-fetch.ts';
import type { Seconds } from '../core/units.ts';
import { syncToDisk } from './job-folders.ts';

/** Nothing may arrive for so long. */
const STALL_SECONDS: Seconds = 60;

export interface FetchLimits {
  readonly maxInputBytes: number;
  readonly urlTimeoutSeconds: Seconds;
}

/**
 * Brings the recording at a URL to `path`, which appears only when it is complete. Every hop of a redirect is held to the
 * address rules. Throws as {@link downloadToFile}, and `forbidden_address`.
 */
export async function fetchRecording(
  url: string,
  path: string,
  guarded: GuardedFetch,
  limits: FetchLimits,
  signal: AbortSignal,
): Promise<{ bytes: number; sha256: string }> {
  const partial = `${path}.part`;
  const transfer = {
    maxBytes: limits.maxInputBytes > 0 ? limits.maxInputBytes : Number.POSITIVE_INFINITY,
    maxSeconds: limits.urlTimeoutSeconds,
    stallSeconds: STALL_SECONDS,
  };
  // The answer of undici's fetch is the platform's in all but its declared type.
  const request: RequestHop = async (address, init) =>
    (await guarded.fetch(address, init)) as unknown as Awaited<ReturnType<RequestHop>>;
  try {
    await downloadToFile(new URL(url), partial, transfer, signal, request);
    const hash = createHash('sha256');
    await pipeline(createReadStream(partial), hash, { signal });
    await syncToDisk(partial);
    const { size } = await stat(partial);
    await rename(partial, path);
    return { bytes: size, sha256: hash.digest('hex') };
  } finally {
    await rm(partial, { force: true });
  }
}
