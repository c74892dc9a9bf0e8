import type { FastifyInstance } from 'fastify';

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
