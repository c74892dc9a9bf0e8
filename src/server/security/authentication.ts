import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DiaristError } from '../../core/errors.ts';
import type { Client } from '../types.ts';
import type { ApiKey, ApiKeys } from './api-keys.ts';
import type { HostNames } from './host-names.ts';
import { RequestRates } from './request-rates.ts';

export interface AuthenticationOptions {
  readonly keys: ApiKeys;
  /** Callers without a key are let in although there are keys. */
  readonly allowAnonymous: boolean;
  /** Origins of web pages that may call, `*` for all. */
  readonly origins: readonly string[];
  /** Names that a server without keys answers under. */
  readonly hosts: HostNames;
  /** Only this machine can call. */
  readonly isLoopback: boolean;
}

/** Where no key was ever made and nobody else can call, the one person at this machine may do everything. */
const SOLE_USER: Client = { id: 'anonymous', scopes: new Set(['audio:stt', 'audio:tts', 'status:read', 'admin']) };
const STRANGER: Client = { id: 'anonymous', scopes: new Set(['audio:stt', 'audio:tts', 'status:read']) };
const NOBODY: Client = { id: 'anonymous', scopes: new Set() };

const DEFAULT_SCOPE = 'audio:stt';

/**
 * Says who asks, before the body is read, and turns away who may not: `unauthorized`, `forbidden`, `rate_limited`. The
 * keys are looked up at each request, so that a revoked one is refused at once.
 */
export function authenticate(app: FastifyInstance, options: AuthenticationOptions): void {
  const { keys, origins } = options;
  const rates = new RequestRates();
  app.addHook('onRequest', async (request, reply) => {
    const scope = request.is404 ? null : request.routeOptions.config.scope;
    const shown = keyOf(request);
    if (shown === undefined) {
      refuseForeignPages(request, origins);
      request.client = anonymousClient(request, scope, options);
    } else {
      const key = keys.find(shown);
      // Clients that must send some key send any where none is needed.
      if (key === undefined && (scope === null || !keys.isInUse())) {
        request.client = anonymousClient(request, scope, options);
      } else {
        // Probes and discovery ask often, and cost nothing.
        request.client = clientOf(key, scope === null ? undefined : rates, reply);
      }
    }
    if (scope !== null && !isAllowed(request.client, scope ?? DEFAULT_SCOPE)) {
      throw new DiaristError(
        'forbidden',
        `This API key may not do that: it needs the scope ${scope ?? DEFAULT_SCOPE}.`,
      );
    }
  });
}

function anonymousClient(
  request: FastifyRequest,
  scope: string | null | undefined,
  { keys, allowAnonymous, hosts, isLoopback }: AuthenticationOptions,
): Client {
  // Who says so has opened the server to others, perhaps behind a proxy, under whatever name.
  if (allowAnonymous) return STRANGER;
  if (!keys.isInUse()) {
    if (!request.routeOptions.config?.anyHost && !hosts.accepts(request.host)) {
      throw new DiaristError(
        'forbidden',
        'A server without API keys answers only under names of its own machine: list this name in DIARIST_PUBLIC_HOSTS.',
      );
    }
    return isLoopback ? SOLE_USER : STRANGER;
  }
  if (scope === null) return NOBODY;
  throw new DiaristError(
    'unauthorized',
    'An API key is needed: send it as "Authorization: Bearer KEY" or "X-API-Key: KEY".',
  );
}

/** The client of a key; without `rates` the request is not counted. */
function clientOf(key: ApiKey | undefined, rates: RequestRates | undefined, reply: FastifyReply): Client {
  if (key === undefined) {
    throw new DiaristError('unauthorized', 'This API key is wrong or was revoked: ask for another one.');
  }
  const waitSeconds = rates?.take(key.id, key.limits.requestsPerMinute) ?? 0;
  if (waitSeconds > 0) {
    reply.header('retry-after', String(Math.ceil(waitSeconds)));
    throw new DiaristError(
      'rate_limited',
      `This API key may send ${key.limits.requestsPerMinute} requests a minute: wait ${Math.ceil(waitSeconds)} s.`,
    );
  }
  return { id: key.id, scopes: new Set(key.scopes) };
}

/**
 * A web page that a person happens to visit must not use the server at their own machine: browsers say which page a
 * request comes from, and a key is something that only a page of their own has.
 */
function refuseForeignPages({ headers, method, host }: FastifyRequest, origins: readonly string[]): void {
  const { origin } = headers;
  if (origin === undefined || method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return;
  if (origins.includes('*') || origins.includes(origin)) return;
  if (URL.canParse(origin) && new URL(origin).host === host) return;
  throw new DiaristError(
    'forbidden',
    'Pages of other origins may not use this server without an API key: name the origin in DIARIST_CORS_ORIGINS.',
  );
}

function isAllowed({ scopes }: Client, scope: string): boolean {
  return scopes.has('admin') || scopes.has(scope);
}

/** The key of a request: `Authorization: Bearer`, `api-key` (Azure) or `X-API-Key`. */
function keyOf({ headers }: FastifyRequest): string | undefined {
  const bearer = /^Bearer\s+(\S+)\s*$/i.exec(headers.authorization ?? '')?.[1];
  const others = [headers['api-key'], headers['x-api-key']].flat();
  return bearer ?? others.find((one) => one !== undefined && one !== '');
}
