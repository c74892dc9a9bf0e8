import type { FastifyBaseLogger } from 'fastify';
import type { Config } from '../config/config.ts';
import { DiaristError } from '../core/errors.ts';
import type { Engines } from '../host/types.ts';
import type { Jobs } from '../jobs/types.ts';
import { ModelStore } from '../models/store.ts';
import { buildApp } from './app.ts';
import { findDialects } from './find-dialects.ts';
import { ModelSupply } from './model-supply.ts';
import { InstalledSpeechModels } from './speech-models.ts';
import type { Dialect } from './types.ts';

export interface ServerParts {
  readonly jobs: Jobs;
  readonly engines: Engines;
  readonly logger: FastifyBaseLogger;
  /** Instead of all that there are. */
  readonly dialects?: readonly Dialect[];
}

/** A server that listens. */
export interface RunningServer {
  /** `http://HOST:PORT`, with the port that was really taken. */
  readonly url: string;
  /** Stops listening, lets running jobs finish within the time that the settings give, and closes jobs and engines. */
  close(): Promise<void>;
}

/** Starts the server and owns `jobs` and `engines` from then on. Throws `usage` where the address cannot be had. */
export async function startServer(config: Config, parts: ServerParts): Promise<RunningServer> {
  const { settings, environment } = config;
  const { jobs, engines, logger } = parts;
  const store = new ModelStore({ cacheDir: settings.cacheDir, env: environment });
  const supply = new ModelSupply({
    store,
    model: settings.model,
    preload: settings.preloadModels,
    fetch: settings.fetchModels,
    logger,
  });
  const app = await buildApp({
    config,
    jobs,
    engines,
    supply,
    logger,
    models: new InstalledSpeechModels(store, settings.model),
    dialects: parts.dialects ?? (await findDialects()),
  });
  await supply.start();
  const url = await listen(app, settings.host, settings.port);
  return {
    url,
    async close() {
      await supply.close();
      await jobs.close(settings.shutdownSeconds);
      await app.close();
      await engines.close();
    },
  };
}

async function listen(app: Awaited<ReturnType<typeof buildApp>>, host: string, port: number): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    await app.close();
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      throw new DiaristError('usage', `Port ${port} is taken by another program: choose one with --port.`, {
        cause: error,
      });
    }
    if (code === 'EACCES') {
      throw new DiaristError('usage', `Port ${port} may not be used by this account: choose one above 1023.`, {
        cause: error,
      });
    }
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      throw new DiaristError('usage', `${host} is no address of this machine: choose one with --host.`, {
        cause: error,
      });
    }
    throw error;
  }
}
