import type { IncomingMessage } from 'node:http';

/** Most that is read of a body that nobody wants any more. */
const MAX_DRAINED_BYTES = 256 * 2 ** 20;
const MAX_DRAIN_MS = 60_000;

/**
 * Reads the rest of a request's body and throws it away. False where more came than is worth reading, or too slowly:
 * then the connection is to be closed.
 */
export async function drainBody(request: IncomingMessage): Promise<boolean> {
  if (request.complete && request.readableEnded) return true;
  if (request.destroyed) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let bytes = 0;
  const timer = setTimeout(() => resolve(false), MAX_DRAIN_MS);
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > MAX_DRAINED_BYTES) resolve(false);
  };
  const onEnd = (): void => resolve(true);
  const onClose = (): void => resolve(request.readableEnded);
  request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  request.resume();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    request.off('data', onData).off('end', onEnd).off('close', onClose);
    if (!request.readableEnded) request.pause();
  }
}
