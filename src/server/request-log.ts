import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Probes come every few seconds: they are told only to who asks for everything. */
const QUIET_ROUTES: ReadonlySet<string> = new Set(['/health', '/livez', '/readyz', '/metrics']);

/**
 * A line for every request: what route, how it went, how long it took. Never the address with its query, because that
 * holds what clients say; the pattern of the route is enough.
 */
export function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => report(request, reply, 'request'));
  app.addHook('onRequestAbort', async (request) => {
    request.log.info({ route: routeOf(request), ms: null, jobId: request.jobId }, 'the client hung up');
  });
}

/** The pattern of the request's route; requests of no route share one. */
export function routeOf(request: FastifyRequest): string {
  return request.routeOptions?.url ?? 'unknown';
}

function report(request: FastifyRequest, reply: FastifyReply, message: string): void {
  const route = routeOf(request);
  const facts = {
    method: request.method,
    route,
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime),
    bytes: Number(request.headers['content-length'] ?? 0),
    client: request.client?.id,
    ...(request.jobId !== undefined && { jobId: request.jobId }),
    ...(request.errorCode !== undefined && { code: request.errorCode }),
  };
  if (QUIET_ROUTES.has(route)) request.log.debug(facts, message);
  else if (reply.statusCode >= 500) request.log.error(facts, message);
  else request.log.info(facts, message);
}
