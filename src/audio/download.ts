import { createWriteStream } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { DiaristError, toDiaristError } from '../core/errors.ts';
import { LONGEST_TIMER_MS } from '../core/timers.ts';
import type { Seconds } from '../core/units.ts';

export interface TransferLimits {
  /** Bytes after which the input is refused with `input_too_large`. */
  readonly maxBytes: number;
  /** The whole transfer may take this long. */
  readonly maxSeconds: Seconds;
  /** So long may nothing arrive. */
  readonly stallSeconds: Seconds;
}

/** Makes one request without following a redirect; a caller who trusts no address checks it here, at every hop. */
export type RequestHop = (
  address: URL,
  init: { readonly headers: Record<string, string>; readonly signal: AbortSignal },
) => Promise<Pick<Response, 'status' | 'ok' | 'headers' | 'body'>>;

type Answer = Awaited<ReturnType<RequestHop>>;

const MAX_REDIRECTS = 5;

/**
 * Streams what an http or https address answers with to a file. Redirects are followed one by one, and each is checked to
 * be http or https again; a user name and password in the address are sent to that host only.
 *
 * Throws `network`, `input_not_found` (404, 410), `input_undecodable` (the answer is a web page), `input_too_large`,
 * `disk_full`, `cancelled`.
 */
export async function downloadToFile(
  address: URL,
  path: string,
  limits: TransferLimits,
  signal?: AbortSignal,
  request: RequestHop = (hop, init) => fetch(hop, { ...init, redirect: 'manual' }),
): Promise<void> {
  const shown = withoutSecrets(address);
  const stalled = new AbortController();
  const deadline = AbortSignal.timeout(timerMs(limits.maxSeconds));
  const stop = AbortSignal.any([stalled.signal, deadline, ...(signal ? [signal] : [])]);
  const watch = setTimeout(() => stalled.abort(), timerMs(limits.stallSeconds));
  try {
    const response = await fetchFollowing(address, stop, request);
    assertUsable(response, shown, limits);
    const counter = limitBytes(shown, limits.maxBytes, () => watch.refresh());
    const body = response.body ? Readable.fromWeb(response.body as ReadableStream) : Readable.from([]);
    await pipeline(body, counter, createWriteStream(path), { signal: stop });
  } catch (error) {
    if (signal?.aborted) throw new DiaristError('cancelled', 'Cancelled.', { cause: error });
    if (stalled.signal.aborted) throw networkError(shown, `nothing arrived for ${limits.stallSeconds} seconds`, error);
    if (deadline.aborted) throw networkError(shown, `it took longer than ${limits.maxSeconds} seconds`, error);
    throw toNetworkError(error, shown);
  } finally {
    clearTimeout(watch);
  }
}

const timerMs = (seconds: Seconds): number => Math.min(LONGEST_TIMER_MS, Math.ceil(seconds * 1000));

/** A stream step that refuses more than `maxBytes`. `shown` names the input in the error. */
export function limitBytes(shown: string, maxBytes: number, onBytes?: () => void): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      onBytes?.();
      if (bytes > maxBytes) done(tooLarge(shown, maxBytes));
      else done(null, chunk);
    },
  });
}

async function fetchFollowing(address: URL, signal: AbortSignal, request: RequestHop): Promise<Answer> {
  let target = address;
  let credentials = authorization(address);
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const bare = new URL(target);
    bare.username = '';
    bare.password = '';
    const response = await request(bare, {
      signal,
      headers: { accept: '*/*', ...(credentials ? { authorization: credentials } : {}) },
    });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || !location) return response;
    await response.body?.cancel();
    const next = URL.parse(location, target.href);
    if (!next || !isWebAddress(next)) {
      throw networkError(withoutSecrets(address), 'it redirects to something that is not http or https');
    }
    credentials = authorization(next) ?? (next.origin === target.origin ? credentials : undefined);
    target = next;
  }
  throw networkError(withoutSecrets(address), `it redirects more than ${MAX_REDIRECTS} times`);
}

export function isWebAddress(address: URL): boolean {
  return address.protocol === 'http:' || address.protocol === 'https:';
}

function authorization(address: URL): string | undefined {
  if (address.username === '') return undefined;
  const pair = `${decodeURIComponent(address.username)}:${decodeURIComponent(address.password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

function assertUsable(response: Answer, shown: string, limits: TransferLimits): void {
  if (response.status === 404 || response.status === 410) {
    throw new DiaristError(
      'input_not_found',
      `"${shown}" does not exist (HTTP ${response.status}): check the address.`,
    );
  }
  if (!response.ok) throw networkError(shown, `the server answered HTTP ${response.status}`);
  if (/^text\/html\b/i.test(response.headers.get('content-type') ?? '')) {
    throw new DiaristError(
      'input_undecodable',
      `"${shown}" is a web page, not a recording: give the address of the media file itself.`,
    );
  }
  if (Number(response.headers.get('content-length') ?? 0) > limits.maxBytes) throw tooLarge(shown, limits.maxBytes);
}

function tooLarge(shown: string, maxBytes: number): DiaristError {
  return new DiaristError(
    'input_too_large',
    `"${shown}" is larger than the limit of ${formatBytes(maxBytes)}: raise the limit or split the recording.`,
  );
}

function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${+(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${+(bytes / 1e6).toFixed(1)} MB`;
  return `${bytes} bytes`;
}

function toNetworkError(error: unknown, shown: string): DiaristError {
  if (error instanceof DiaristError) return error;
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOSPC') return toDiaristError(error);
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return networkError(shown, cause instanceof Error ? cause.message : String(cause), error);
}

function networkError(shown: string, reason: string, cause?: unknown): DiaristError {
  return new DiaristError(
    'network',
    `"${shown}" could not be fetched (${reason}): check the address and the connection, and try again.`,
    { cause },
  );
}

/** The address as it may be shown and logged: without user name, password and query, which often hold keys. */
function withoutSecrets(address: URL): string {
  return `${address.origin}${address.pathname}`;
}
