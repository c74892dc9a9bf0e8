import type { FastifyInstance } from 'fastify';
import type { Engines } from '../host/types.ts';
import type { Jobs } from '../jobs/types.ts';
import type { ModelSupply } from './model-supply.ts';
import { VERSION } from './version.ts';

/** Parts that the operations look at. */
export interface OperationsParts {
  readonly jobs: Jobs;
  readonly engines: Engines;
  readonly supply: ModelSupply;
  /** True once the server was told to stop. */
  readonly isStopping: () => boolean;
}

/** Adds `/`, `/health`, `/livez` and `/readyz`. They ask nobody and are answered whatever goes on. */
export function registerOperations(app: FastifyInstance, { jobs, engines, supply, isStopping }: OperationsParts): void {
  app.get('/', { config: { scope: null } }, async () => ({
    name: 'diarist',
    version: VERSION,
    documentation: '/docs',
    health: '/health',
  }));
  app.get('/livez', { config: { scope: null } }, async () => ({ status: 'alive' }));
  app.get('/health', { config: { scope: null } }, async () => {
    const running = engines.status();
    return {
      status: 'healthy',
      device: running.find((engine) => engine.device !== undefined)?.device ?? 'cpu',
      loaded_models: running.filter((engine) => engine.state === 'ready').map((engine) => engine.model),
      diarizer_loaded: supply.hasDiarization(),
      ready: supply.missing().length === 0,
      queue: jobs.counts(),
      version: VERSION,
    };
  });
  app.get('/readyz', { config: { scope: null } }, async (_request, reply) => {
    const missing = supply.missing();
    if (missing.length === 0 && !isStopping()) return { status: 'ready' };
    const status = isStopping() ? 'stopping' : 'models are missing';
    return reply.code(503).header('retry-after', '10').send({ status, missing });
  });
}
