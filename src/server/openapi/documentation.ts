import { createReadStream } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { referencePage } from './reference-page.ts';

export interface DocumentationOptions {
  /** Nobody needs a key to read it. */
  readonly open: boolean;
  /** Folder that keeps the page's script. */
  readonly cacheDir: string;
  /** Adds the routes that are documented. */
  readonly registerRoutes: (app: FastifyInstance) => Promise<void>;
}

/** The page builds itself in the browser, from its own script and the document; it loads nothing from elsewhere. */
const PAGE_POLICY = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "object-src 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Adds `/openapi.json` and `/docs`. Both are made when somebody first asks, for few servers are ever asked. */
export function registerDocumentation(app: FastifyInstance, options: DocumentationOptions): void {
  const route = { config: { scope: options.open ? null : 'status:read' }, schema: { hide: true } } as const;
  let document: Promise<string> | undefined;
  app.get('/openapi.json', route, async (_request, reply) => {
    document ??= import('./document.ts').then(({ describeRoutes }) => describeRoutes(options.registerRoutes));
    return reply.type('application/json; charset=utf-8').send(await document);
  });
  app.get('/docs', route, async (_request, reply) => {
    const { html } = await referencePage(options.cacheDir);
    return reply.header('content-security-policy', PAGE_POLICY).type('text/html; charset=utf-8').send(html);
  });
  app.get('/docs/scalar.js', route, async (_request, reply) => {
    const { script } = await referencePage(options.cacheDir);
    return reply
      .header('cache-control', 'public, max-age=86400')
      .type('text/javascript; charset=utf-8')
      .send(createReadStream(script));
  });
}
