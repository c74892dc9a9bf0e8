import { randomUUID } from 'node:crypto';
import multipart from '@fastify/multipart';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import type { Config } from '../config/config.ts';
import type { Engines } from '../host/types.ts';
import type { Jobs } from '../jobs/types.ts';
import { JobAnswers } from './answers.ts';
import { asrDialect } from './dialects/asr/index.ts';
import { jobsDialect } from './dialects/jobs/index.ts';
import { openaiDialect } from './dialects/openai/index.ts';
import { speakersDialect } from './dialects/speakers/index.ts';
import { answerErrors, answerMalformed, sendError } from './error-handling.ts';
import { watchForHangUp } from './hang-up.ts';
import { collectMetrics } from './metrics.ts';
import type { ModelSupply } from './model-supply.ts';
import { registerDocumentation } from './openapi/documentation.ts';
import { registerOperations } from './operations.ts';
import { logRequests } from './request-log.ts';
import { answerUnknownPaths, RouteTable } from './route-table.ts';
import type { ApiKeys } from './security/api-keys.ts';
import { secure } from './security/secure.ts';
import type { Tracing } from './tracing.ts';
import type { ClientEngines, Dialect, ServerContext, SpeechModels } from './types.ts';
import { RequestUploads } from './uploads/request-uploads.ts';

/** Every way of speaking that the server knows. */
export const DIALECTS: readonly Dialect[] = [openaiDialect, asrDialect, speakersDialect, jobsDialect];

/** What the app is assembled from. The caller closes jobs and engines. */
export interface AppParts {
  readonly config: Config;
  readonly jobs: Jobs;
  readonly engines: Engines;
  /** The same engines, for the requests of clients. */
  readonly clientEngines: ClientEngines;
  readonly models: SpeechModels;
  readonly supply: ModelSupply;
  readonly logger: FastifyBaseLogger;
  readonly keys: ApiKeys;
  readonly dialects: readonly Dialect[];
  readonly tracing?: Tracing;
  /** True once the server was told to stop: it takes no more work. */
  readonly isStopping: () => boolean;
}

/** Longer than the idle time of load balancers in front, so that they close first and no request meets a closing door. */
const KEEP_ALIVE_MS = 75_000;
const HEADERS_TIMEOUT_MS = 60_000;
const MAX_PARAM_LENGTH = 500;
const REQUEST_ID = /^[\w.:+/=-]{1,128}$/;

/** The HTTP app with every route, ready to listen. */
export async function buildApp(parts: AppParts): Promise<FastifyInstance> {
  const { settings } = parts.config;
  const uploadTimeoutMs = Math.round(settings.uploadTimeoutSeconds * 1000);
  const app: FastifyInstance = fastify({
    loggerInstance: parts.logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    requestTimeout: uploadTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: {
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, uploadTimeoutMs || HEADERS_TIMEOUT_MS),
      maxHeaderSize: settings.maxHeaderBytes,
    },
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
    watchForHangUp(request, reply);
  });
  logRequests(app);
  parts.tracing?.traceRequests(app);
  await secure(app, parts);
  leaveBodiesToRoutes(app);
  await app.register(multipart, { throwFileSizeLimit: false });
  answerUnknownPaths(app, routes);
  const metrics = collectMetrics(app, parts);
  const context: ServerContext = {
    config: parts.config,
    jobs: parts.jobs,
    engines: parts.clientEngines,
    models: parts.models,
    uploads: new RequestUploads({
      folder: parts.jobs.uploadFolder,
      maxFileBytes: settings.maxUploadBytes,
      maxFieldBytes: settings.maxFieldBytes,
      maxFields: settings.maxFields,
    }),
    answers: new JobAnswers(parts.jobs),
  };
  const registerRoutes = async (target: FastifyInstance): Promise<void> => {
    registerOperations(target, { ...parts, metrics, device: settings.device, openMetrics: settings.openMetrics });
    for (const dialect of parts.dialects) await target.register(async (scope) => dialect(scope, context));
  };
  await registerRoutes(app);
  registerDocumentation(app, { open: settings.openDocs, cacheDir: settings.cacheDir, registerRoutes });
  await app.ready();
  return app;
}

/** Routes read their bodies with the uploads, straight from the connection. */
function leaveBodiesToRoutes(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
}
