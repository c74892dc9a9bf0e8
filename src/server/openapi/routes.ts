import type { FastifyInstance } from 'fastify';

/** Adds `/openapi.json`. The document is made when somebody asks for it, once. */
export function registerDocumentation(app: FastifyInstance, { open }: { readonly open: boolean }): void {
  let document: string | undefined;
  app.get('/openapi.json', { config: { scope: open ? null : 'status:read' } }, (_request, reply) => {
    document ??= JSON.stringify(app.swagger());
    return reply.type('application/json; charset=utf-8').send(document);
  });
}
