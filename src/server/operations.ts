import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Engines } from '../host/types.ts';
import type { Jobs } from '../jobs/types.ts';
import type { Metrics } from './metrics.ts';
import type { ModelSupply } from './model-supply.ts';
import { VERSION } from './version.ts';

/** Parts that the operations look at. */
export interface OperationsParts {
  readonly jobs: Jobs;
  readonly engines: Engines;
  readonly supply: ModelSupply;
  readonly metrics: Metrics;
  /** Where inference is to run, as long as no engine has said where it does. */
  readonly device: string;
  /** `/metrics` needs no key. */
  readonly openMetrics: boolean;
  /** True once the server was told to stop. */
  readonly isStopping: () => boolean;
}

const healthSchema = z
  .object({
    status: z.literal('healthy'),
    device: z
      .string()
      .meta({ description: 'Where inference runs; before an engine has started, as it is set: perhaps auto.' }),
    loaded_models: z.array(z.string()).meta({ description: 'Models whose engine runs; others start when asked for.' }),
    diarizer_loaded: z.boolean().meta({ description: 'The models that tell speakers apart are on this machine.' }),
    ready: z.boolean().meta({ description: 'As /readyz says.' }),
    queue: z.object({ queued: z.int(), running: z.int(), limit: z.int() }),
    version: z.string(),
  })
  .meta({
    examples: [
      {
        ...{ status: 'healthy', device: 'cpu', loaded_models: ['base'], diarizer_loaded: true, ready: true },
        ...{ queue: { queued: 0, running: 1, limit: 256 }, version: '0.1.0' },
      },
    ],
  });

const missingModelSchema = z.object({
  name: z.string(),
  state: z.enum(['missing', 'waiting', 'fetching']),
  progress: z.number().optional().meta({ description: '0 to 1 of its bytes.' }),
  error: z.string().optional().meta({ description: 'Why the last try to fetch it failed.' }),
});

const notReadySchema = z
  .object({ status: z.enum(['models are missing', 'stopping']), missing: z.array(missingModelSchema) })
  .meta({
    description: 'A model is missing or being fetched, or the server stops.',
    examples: [{ status: 'models are missing', missing: [{ name: 'base', state: 'fetching', progress: 0.4 }] }],
  });

const operation = (summary: string) => ({ tags: ['operations'], summary });
const open = { scope: null };
const probe = { scope: null, anyHost: true } as const;

/** Adds `/`, `/health`, `/livez`, `/readyz` and `/metrics`. They ask nobody and are answered whatever goes on. */
export function registerOperations(app: FastifyInstance, parts: OperationsParts): void {
  const { jobs, engines, supply, metrics, isStopping } = parts;
  const isReady = (): boolean => supply.missing().length === 0 && !isStopping();
  const rootSchema = z.object({ name: z.string(), version: z.string(), documentation: z.string(), health: z.string() });
  app.get('/', { config: open, schema: { ...operation('What this is'), response: { 200: rootSchema } } }, async () => ({
    ...{ name: 'diarist', version: VERSION, documentation: '/docs', health: '/health' },
  }));
  const aliveSchema = z.object({ status: z.literal('alive') });
  app.get(
    '/livez',
    { config: probe, schema: { ...operation('The server answers'), response: { 200: aliveSchema } } },
    async () => ({ status: 'alive' }),
  );
  app.get(
    '/health',
    { config: probe, schema: { ...operation('Device, models and queue'), response: { 200: healthSchema } } },
    async () => {
      const running = engines.status();
      return {
        status: 'healthy',
        device: running.find((engine) => engine.device !== undefined)?.device ?? parts.device,
        loaded_models: running.filter((engine) => engine.state === 'ready').map((engine) => engine.model),
        diarizer_loaded: supply.hasDiarization(),
        ready: isReady(),
        queue: jobs.counts(),
        version: VERSION,
      };
    },
  );
  const readySchema = z.object({ status: z.literal('ready') });
  app.get(
    '/readyz',
    {
      config: probe,
      schema: { ...operation('Requests can be worked on'), response: { 200: readySchema, 503: notReadySchema } },
    },
    async (_request, reply) => {
      if (isReady()) return { status: 'ready' };
      const status = isStopping() ? 'stopping' : 'models are missing';
      return reply.code(503).header('retry-after', '10').send({ status, missing: supply.missing() });
    },
  );
  app.get(
    '/metrics',
    {
      config: { scope: parts.openMetrics ? null : 'status:read' },
      schema: {
        ...operation('Metrics for Prometheus'),
        response: { 200: { description: 'Metrics.', content: { 'text/plain': { schema: z.string() } } } },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
}
