import type { JobEvent } from '../../../jobs/types.ts';
import { nextWithin } from '../../next-within.ts';

/** Proxies end connections that are silent for a minute, some for 30 s. */
const KEEP_ALIVE_MS = 15_000;

/** How long a browser is to wait before it connects again, in milliseconds. */
const RETRY_MS = 2000;

/**
 * Events as a server-sent event stream (WHATWG HTML, "Server-sent events"): `id` is the number of the event, so that a
 * client that comes back with `Last-Event-ID` goes on behind it. While nothing happens there are comments.
 */
export async function* eventStream(
  events: AsyncIterator<JobEvent>,
  keepAliveMs: number = KEEP_ALIVE_MS,
): AsyncGenerator<string, void, undefined> {
  // The first bytes go out at once: they carry the headers.
  yield `retry: ${RETRY_MS}\n\n`;
  let next = events.next();
  try {
    for (;;) {
      const result = await nextWithin(next, keepAliveMs);
      if (result === 'silence') {
        yield ': keep-alive\n\n';
      } else if (result.done === true) {
        return;
      } else {
        yield frame(result.value);
        next = events.next();
      }
    }
  } finally {
    // It may still fail when the stream is left while an event is waited for; nobody listens then.
    next.catch(() => undefined);
    await events.return?.();
  }
}

function frame({ seq, at, kind, ...what }: JobEvent): string {
  const data = JSON.stringify({ kind, at: new Date(at).toISOString(), ...what });
  return `id: ${seq}\nevent: ${kind}\ndata: ${data}\n\n`;
}
