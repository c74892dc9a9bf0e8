import type { FastifyInstance } from 'fastify';
import { DiaristError } from '../core/errors.ts';
import { sendError } from './error-handling.ts';

/** Remembers which methods each path has, so that a wrong method is told from a wrong path. */
export class RouteTable {
  readonly #routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];

  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ url, method }) => {
      this.#routes.push({ pattern: pathPattern(url), methods: [method].flat() });
    });
  }

  /** Methods of the routes that a path fits, sorted; empty where there is no such path. */
  methodsOf(path: string): readonly string[] {
    const fitting = this.#routes.filter(({ pattern }) => pattern.test(path));
    return [...new Set(fitting.flatMap(({ methods }) => methods))].sort();
  }
}

/** `/v1/models/:id` and `/docs/*` as regular expressions, with the freedoms that the router allows. */
function pathPattern(url: string): RegExp {
  const segments = url.split('/').map((segment) => {
    if (segment === '*') return '.*';
    if (segment.startsWith(':')) return '[^/]+';
    return segment.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${segments.join('/+')}/?$`);
}

/** Answers what is no route: 404, 405 with the methods that there are, or a bare OPTIONS. Never 200, for probes look. */
export function answerUnknownPaths(app: FastifyInstance, routes: RouteTable): void {
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split('?')[0] ?? '/';
    const methods = routes.methodsOf(path);
    if (methods.length === 0) {
      const error = new DiaristError(
        'not_found',
        `There is nothing at ${request.method} ${path}: see /docs for what there is.`,
      );
      return sendError(error, request, reply);
    }
    reply.header('allow', [...methods, 'OPTIONS'].join(', '));
    if (request.method === 'OPTIONS') return reply.code(204).send();
    const error = new DiaristError('method_not_allowed', `${path} takes ${methods.join(', ')}, not ${request.method}.`);
    return sendError(error, request, reply);
  });
}
