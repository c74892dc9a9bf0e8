import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { DiaristError } from '../core/errors.ts';

export interface DownloadRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** File that grows; what stands in it already is not fetched again. */
  readonly target: string;
  readonly bytes: number;
  readonly signal?: AbortSignal;
  /** Bytes of this file so far, those of earlier attempts included. */
  readonly onProgress: (receivedBytes: number) => void;
  /** Turns an answer that is no success into the error to throw; null where trying again may help. */
  readonly refuse: (response: Response) => DiaristError | null;
  /** Sees the first answer of each attempt, before redirections are followed. */
  readonly onFirstResponse?: (response: Response) => void;
}

/** Attempts in a row that bring nothing before a download is given up. */
const MAX_FRUITLESS_ATTEMPTS = 5;
const FIRST_PAUSE_MS = 500;
/** A connection that brings nothing this long is taken for dead. */
const STALL_MS = 60_000;
const MAX_REDIRECTIONS = 8;

/**
 * Fetches a file into `target`, going on where it stopped (HTTP Range) after dropped and silent connections and server
 * errors. It checks the length and nothing else: the caller checks the bytes. Throws `network`, or what
 * `request.refuse` says.
 */
export async function download(request: DownloadRequest): Promise<void> {
  let fruitless = 0;
  for (;;) {
    request.signal?.throwIfAborted();
    const before = await sizeOf(request.target);
    if (before === request.bytes) return request.onProgress(before);
    // More than there should be cannot be the start of it.
    if (before > request.bytes) await rm(request.target);
    try {
      await attempt(request, before > request.bytes ? 0 : before);
    } catch (error) {
      if (error instanceof DiaristError) throw error;
      if (isLocalFailure(error)) throw error;
      request.signal?.throwIfAborted();
      fruitless = (await sizeOf(request.target)) > before ? 0 : fruitless + 1;
      if (fruitless >= MAX_FRUITLESS_ATTEMPTS) throw networkError(request.url, error);
      await delay(FIRST_PAUSE_MS * 2 ** fruitless, undefined, request.signal ? { signal: request.signal } : {});
    }
  }
}

/** The error for a server that cannot be talked to. */
export function networkError(url: string, cause: unknown): DiaristError {
  const reason = cause instanceof Error ? failureReason(cause) : String(cause);
  return new DiaristError(
    'network',
    `${new URL(url).host} cannot be reached (${reason}); check the network and run the same command again, it goes on where it stopped.`,
    { cause },
  );
}

/** `fetch failed` says nothing; its cause does. */
function failureReason(error: Error): string {
  const { cause } = error;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its name is not known here';
  if (code === 'ECONNREFUSED') return 'it refuses the connection';
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message;
}

/** Failures of the disk, which another attempt would meet again. */
function isLocalFailure(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EACCES' || code === 'EROFS' || code === 'EDQUOT' || code === 'EIO';
}

async function attempt(request: DownloadRequest, offset: number): Promise<void> {
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(new Error('it went silent')), STALL_MS);
  const signal = request.signal ? AbortSignal.any([request.signal, stalled.signal]) : stalled.signal;
  let file: FileHandle | undefined;
  try {
    const response = await follow(request, offset, signal);
    const resumed = response.status === 206 && rangeStart(response) === offset;
    file = await open(request.target, resumed ? 'a' : 'w');
    let received = resumed ? offset : 0;
    for await (const chunk of response.body ?? []) {
      timer.refresh();
      received += chunk.length;
      if (received > request.bytes) throw new Error('it sent more than it announced');
      await file.appendFile(chunk);
      request.onProgress(received);
    }
    if (received < request.bytes) throw new Error('it ended early');
    await file.sync();
  } finally {
    clearTimeout(timer);
    await file?.close();
  }
}

/** Sends the request and follows redirections by hand: the token is for the first host only. */
async function follow(request: DownloadRequest, offset: number, signal: AbortSignal): Promise<Response> {
  const range: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
  // A compressed answer has neither the announced length nor usable ranges.
  const base = { 'accept-encoding': 'identity', ...range };
  let url = new URL(request.url);
  for (let hop = 0; hop < MAX_REDIRECTIONS; hop++) {
    const sameHost = url.host === new URL(request.url).host;
    const headers = sameHost ? { ...request.headers, ...base } : base;
    const response = await fetch(url, { headers, redirect: 'manual', signal });
    if (hop === 0) request.onFirstResponse?.(response);
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      url = new URL(location, url);
      continue;
    }
    if (response.ok) return response;
    await response.body?.cancel();
    const refusal = request.refuse(response);
    if (refusal !== null) throw refusal;
    await waitAsTold(response, signal);
    throw new Error(`it answered ${response.status}`);
  }
  throw new Error('it redirects without end');
}

const MAX_RETRY_AFTER_SECONDS = 60;

async function waitAsTold(response: Response, signal: AbortSignal): Promise<void> {
  const seconds = Number(response.headers.get('retry-after') ?? 0);
  if (seconds > 0) await delay(Math.min(seconds, MAX_RETRY_AFTER_SECONDS) * 1000, undefined, { signal });
}

const rangeStart = (response: Response): number =>
  Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? -1);

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}
