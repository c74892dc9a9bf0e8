import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../../config/config.ts';
import { DiaristError } from '../../core/errors.ts';
import type { ApiKeys } from './api-keys.ts';
import { authenticate } from './authentication.ts';
import { HostNames, isLoopback } from './host-names.ts';

export interface SecurityParts {
  readonly config: Config;
  readonly keys: ApiKeys;
  readonly isStopping: () => boolean;
}

const DAY_SECONDS = 24 * 3600;
/** What pages of allowed origins may read beside the body. */
const EXPOSED_HEADERS = ['x-request-id', 'x-diarist-job', 'x-diarist-warnings', 'retry-after', 'location'];

/** Everything that a request passes before a route sees it: headers, origins, keys, and the door that closes at the end. */
export async function secure(app: FastifyInstance, { config, keys, isStopping }: SecurityParts): Promise<void> {
  const { corsOrigins, allowAnonymous, host, publicHosts } = config.settings;
  // Whether there is TLS in front is not known here: nobody is told to insist on it.
  await app.register(helmet, { strictTransportSecurity: false, crossOriginResourcePolicy: { policy: 'cross-origin' } });
  if (corsOrigins.length > 0) {
    await app.register(cors, {
      origin: corsOrigins.includes('*') ? '*' : [...corsOrigins],
      exposedHeaders: EXPOSED_HEADERS,
      maxAge: DAY_SECONDS,
    });
  }
  authenticate(app, {
    ...{ keys, allowAnonymous, origins: corsOrigins },
    hosts: new HostNames([host, ...publicHosts], corsOrigins),
    isLoopback: isLoopback(host),
  });
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config?.scope === null || !isStopping()) return;
    throw new DiaristError('shutting_down', 'The server is being stopped: send the request again in a moment.');
  });
}
