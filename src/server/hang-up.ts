import type { FastifyReply, FastifyRequest } from 'fastify';

const signals = new WeakMap<FastifyRequest, AbortController>();

/** Watches a request from its beginning, so that {@link hangUpSignal} can tell. */
export function watchForHangUp(request: FastifyRequest, reply: FastifyReply): void {
  const controller = new AbortController();
  signals.set(request, controller);
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
}

/** Signal that aborts when the client closes the connection before it has its whole answer. */
export function hangUpSignal(request: FastifyRequest): AbortSignal {
  const controller = signals.get(request);
  if (controller === undefined) throw new Error('The request is not watched: watchForHangUp comes first.');
  return controller.signal;
}
