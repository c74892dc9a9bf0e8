import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import scalar from '@scalar/fastify-api-reference';
import fastify from 'fastify';

// A program of its own: writes the page for people and its script to the two files that it is given.
const [page, script] = process.argv.slice(2) as [string, string];

const app = fastify();
await app.register(scalar, {
  routePrefix: '/docs',
  configuration: {
    url: '/openapi.json',
    cdn: '/docs/scalar.js',
    pageTitle: 'Diarist API',
    telemetry: false,
    withDefaultFonts: false,
    // They lead to a service elsewhere; this page is for people who keep to themselves.
    showDeveloperTools: 'never',
    hideClientButton: true,
    agent: { disabled: true },
    mcp: { disabled: true },
  },
});
keep(script, (await app.inject('/docs/js/scalar.js')).payload);
keep(page, (await app.inject('/docs/')).payload);
await app.close();

/** Writes a whole file or none, whoever else does the same. */
function keep(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, text);
  renameSync(draft, path);
}
