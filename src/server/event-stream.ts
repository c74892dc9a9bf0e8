import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { nextWithin } from './next-within.ts';

/** Proxies end connections that are silent for a minute, some for 30 s. */
const KEEP_ALIVE_MS = 15_000;

/** How a dialect writes its events. */
export interface EventStreamStyle<Event> {
  /** Goes out at once, and with it the headers. */
  readonly opening: string;
  readonly frame: (event: Event) => string;
  /** The last frame of a stream that fails; without it the connection breaks off. */
  readonly errorFrame?: (error: unknown) => string;
  readonly keepAliveMs?: number;
}

/**
 * Events as a server-sent event stream (WHATWG HTML, "Server-sent events"). While nothing happens there are comments.
 * `first` is the first answer of `events` where that was asked for already.
 */
export async function* eventStream<Event>(
  events: AsyncIterator<Event, unknown>,
  style: EventStreamStyle<Event>,
  first?: Promise<IteratorResult<Event, unknown>>,
): AsyncGenerator<string, void, undefined> {
  const { opening, frame, errorFrame, keepAliveMs = KEEP_ALIVE_MS } = style;
  let next = first ?? events.next();
  // It may fail before anybody asks for it.
  next.catch(() => undefined);
  try {
    yield opening;
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
  } catch (error) {
    if (errorFrame === undefined) throw error;
    yield errorFrame(error);
  } finally {
    // It may still fail when the stream is left while an event is waited for; nobody listens then.
    next.catch(() => undefined);
    await events.return?.();
  }
}

/** Sends frames as the answer, which no proxy is to hold back, change or keep. */
export function sendEventStream(reply: FastifyReply, frames: AsyncIterable<string>): FastifyReply {
  return reply
    .type('text/event-stream; charset=utf-8')
    .headers({ 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' })
    .send(Readable.from(frames, { objectMode: false }));
}
