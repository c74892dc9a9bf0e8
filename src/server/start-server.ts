import type { FastifyBaseLogger } from 'fastify';
import type { Config } from '../config/config.ts';
import { DiaristError, toDiaristError } from '../core/errors.ts';
import type { Engines } from '../host/types.ts';
import type { Jobs } from '../jobs/types.ts';
import { ModelStore } from '../models/store.ts';
import { buildApp, DIALECTS } from './app.ts';
import { ModelSupply } from './model-supply.ts';
import { ApiKeys } from './security/api-keys.ts';
import { isLoopback } from './security/host-names.ts';
import { limitEngines } from './security/limited-engines.ts';
import { limitJobs } from './security/limited-jobs.ts';
import { checkQuota } from './security/quota.ts';
import { InstalledSpeechModels } from './speech-models.ts';
import { openTracing } from './tracing.ts';
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

/** After the jobs are closed, answers that are being sent get this long before their connections are cut. */
const LAST_ANSWERS_MS = 1000;

/**
 * Starts the server and owns `jobs` and `engines` from then on. Throws `usage` where the address cannot be had, or where
 * it would let in everybody without being told to.
 */
export async function startServer(config: Config, parts: ServerParts): Promise<RunningServer> {
  const { settings, environment } = config;
  const { engines, logger } = parts;
  const keys = new ApiKeys(settings.dataDir);
  const store = new ModelStore({ cacheDir: settings.cacheDir, env: environment });
  const supply = new ModelSupply({
    ...{ store, logger, model: settings.model, preload: settings.preloadModels, fetch: settings.fetchModels },
  });
  const tracing = await openTracing(environment);
  const closing = new AbortController();
  try {
    refuseOpenDoors(settings, keys);
    tracing?.traceJobs(parts.jobs);
    const app = await buildApp({
      ...{ config, engines, supply, logger, keys },
      jobs: limitJobs(parts.jobs, (client) => keys.limitsOf(client), closing.signal),
      clientEngines: limitEngines(engines, {
        checkQuota: (client) => checkQuota(parts.jobs, client, keys.limitsOf(client)),
        closing: closing.signal,
      }),
      models: new InstalledSpeechModels(store, settings.model),
      dialects: parts.dialects ?? DIALECTS,
      isStopping: () => closing.signal.aborted,
      ...(tracing && { tracing }),
    });
    await supply.start();
    const url = await listen(app, settings.host, settings.port);
    if (settings.allowAnonymous && !isLoopback(settings.host)) {
      logger.warn(
        keys.isInUse()
          ? 'whoever reaches this server may use it without an API key, although there are keys: DIARIST_ALLOW_ANONYMOUS=false asks for them'
          : 'whoever reaches this server may use it without an API key: publish its port on 127.0.0.1 only, or make keys',
      );
    }
    void preload(supply, engines, settings.preloadModels, logger);
    const close = async (): Promise<void> => {
      await supply.close();
      await parts.jobs.close(settings.shutdownSeconds);
      const cut = setTimeout(() => app.server.closeAllConnections(), LAST_ANSWERS_MS);
      await app.close();
      clearTimeout(cut);
      await engines.close();
      await tracing?.close();
      keys[Symbol.dispose]();
    };
    let closed: Promise<void> | undefined;
    return {
      url,
      close() {
        closing.abort();
        closed ??= close();
        return closed;
      },
    };
  } catch (error) {
    await supply.close();
    await tracing?.close();
    keys[Symbol.dispose]();
    throw error;
  }
}

/** Whoever opens the server to a network says who may come in, or that all may. */
function refuseOpenDoors({ host, allowAnonymous }: Config['settings'], keys: ApiKeys): void {
  if (isLoopback(host) || allowAnonymous || keys.isInUse()) return;
  throw new DiaristError(
    'usage',
    `${host} lets other machines in, and there are no API keys: make one with "diarist keys create NAME", or say --allow-anonymous.`,
  );
}

/** Starts the engines of the models that are wanted at once, after these are there. */
async function preload(
  supply: ModelSupply,
  engines: Engines,
  models: readonly string[],
  logger: FastifyBaseLogger,
): Promise<void> {
  await supply.whenComplete();
  // The server stops before they came.
  if (supply.missing().length > 0) return;
  for (const model of models) {
    try {
      await engines.load(model);
    } catch (error) {
      logger.error({ model, reason: toDiaristError(error).message }, 'a model could not be loaded ahead');
    }
  }
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
