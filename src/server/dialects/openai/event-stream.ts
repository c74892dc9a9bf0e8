import { nextWithin } from '../../next-within.ts';
import type { StreamEvent } from './schemas.ts';

/** Proxies end connections that are silent for a minute, some for 30 s. */
const KEEP_ALIVE_MS = 15_000;

/** The first answer of an iterator, asked for already. */
export type FirstEvent = Promise<IteratorResult<StreamEvent, void>>;

/**
 * Events as OpenAI's server-sent events: `data` alone, without a name and without a last `[DONE]`, which OpenAI sends for
 * chats only. While nothing happens there are comments. A failure is a last event `{"error": …}`, as `errorBody` has it.
 */
export async function* openaiEventStream(
  first: FirstEvent,
  events: AsyncIterator<StreamEvent, void>,
  errorBody: (error: unknown) => unknown,
  keepAliveMs: number = KEEP_ALIVE_MS,
): AsyncGenerator<string, void, undefined> {
  let next = first;
  try {
    // The first bytes go out at once: they carry the headers.
    yield ': listening\n\n';
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
    yield frame(errorBody(error));
  } finally {
    // It may still fail when the stream is left while an event is waited for; nobody listens then.
    next.catch(() => undefined);
    await events.return?.();
  }
}

function frame(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
