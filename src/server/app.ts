import { randomUUID } from 'node:crypto';
import multipart from '@fastify/multipart';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import type { Config } from '../config/config.ts';
import { DiaristError } from '../core/errors.ts';
import type { Engines } from '../host/types.ts';
import type { Jobs } from '../jobs/types.ts';
import { JobAnswers } from './answers.ts';
import { answerErrors, answerMalformed, sendError } from './error-handling.ts';
import { watchForHangUp } from './hang-up.ts';
import type { ModelSupply } from './model-supply.ts';
import { collectDocumentation } from './openapi/document.ts';
import { registerDocumentation } from './openapi/routes.ts';
import { registerOperations } from './operations.ts';
import { RouteTable } from './route-table.ts';
import type { Client, Dialect, ServerContext, SpeechModels } from './types.ts';
import { RequestUploads } from './uploads/request-uploads.ts';

/** What the app is assembled from. The caller closes jobs and engines. */
export interface AppParts {
  readonly config: Config;
  readonly jobs: Jobs;
  readonly engines: Engines;
  readonly models: SpeechModels;
  readonly supply: ModelSupply;
  readonly logger: FastifyBaseLogger;
  readonly dialects: readonly Dialect[];
}

/** Longer than the idle time of load balancers in front, so that they close first and no request meets a closing door. */
const KEEP_ALIVE_MS = 75_000;
const HEADERS_TIMEOUT_MS = 60_000;
const MAX_PARAM_LENGTH = 500;
const REQUEST_ID = /^[\w.:+/=-]{1,128}$/;

const ANONYMOUS: Client = {
  id: 'anonymous',
  scopes: new Set(['audio:stt', 'audio:tts', 'status:read', 'admin']),
};

/** Routes read their bodies with the uploads, straight from the connection. */
function leaveBodiesToRoutes(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
}

/** The HTTP app with every route, ready to listen. */
export async function buildApp(parts: AppParts): Promise<FastifyInstance> {
  const { settings } = parts.config;
  const app: FastifyInstance = fastify({
    loggerInstance: parts.logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    requestTimeout: Math.round(settings.uploadTimeoutSeconds * 1000),
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS, maxHeaderSize: settings.maxHeaderBytes },
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
    clientErrorHandler: answerMalformed,
    frameworkErrors: (error, request, reply) => void sendError(error, request, reply),
  });
  app.setValidatorCompiler(validatorCompiler);
  // The zod schemas of answers are for the documentation; checking a long transcript against one would stall everybody.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.decorateRequest('client');
  app.decorateRequest('jobId', undefined);
  app.decorateRequest('errorCode', undefined);
  answerErrors(app);
  const routes = new RouteTable(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    request.client = ANONYMOUS;
    watchForHangUp(request, reply);
  });
  leaveBodiesToRoutes(app);
  await app.register(multipart, { throwFileSizeLimit: false });
  await collectDocumentation(app);
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split('?')[0] ?? '/';
    const methods = routes.methodsOf(path);
    if (methods.length > 0) reply.header('allow', [...methods, 'OPTIONS'].join(', '));
    if (request.method === 'OPTIONS' && methods.length > 0) return reply.code(204).send();
    return sendError(
      methods.length > 0
        ? new DiaristError('method_not_allowed', `${path} takes ${methods.join(', ')}, not ${request.method}.`)
        : new DiaristError('not_found', `There is nothing at ${request.method} ${path}: see /docs for what there is.`),
      request,
      reply,
    );
  });
  registerOperations(app, parts);
  registerDocumentation(app, { open: settings.openDocs });
  const context: ServerContext = {
    config: parts.config,
    jobs: parts.jobs,
    engines: parts.engines,
    models: parts.models,
    uploads: new RequestUploads({
      folder: parts.jobs.uploadFolder,
      maxFileBytes: settings.maxUploadBytes,
      maxFieldBytes: settings.maxFieldBytes,
      maxFields: settings.maxFields,
    }),
    answers: new JobAnswers(parts.jobs),
  };
  for (const dialect of parts.dialects) await app.register(async (scope) => dialect(scope, context));
  await app.ready();
  return app;
}
