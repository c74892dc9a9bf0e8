import type { Span, SpanContext, Tracer } from '@opentelemetry/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Jobs } from '../jobs/types.ts';
import { routeOf } from './request-log.ts';
import { VERSION } from './version.ts';

/** Sends spans of requests and jobs to a collector. */
export interface Tracing {
  /** A span for each request; it continues the trace of the caller (W3C `traceparent`). */
  traceRequests(app: FastifyInstance): void;
  /** A span for each job and for its time in the queue. */
  traceJobs(jobs: Jobs): void;
  /** Sends what is left. */
  close(): Promise<void>;
}

const DEFAULT_SERVICE_NAME = 'diarist';

/**
 * Tracing as the variables of OpenTelemetry ask for it (`OTEL_EXPORTER_OTLP_ENDPOINT` …); undefined where they do not.
 * Spans hold ids, routes, codes and durations: no text, names or keys.
 */
export async function openTracing(environment: Readonly<NodeJS.ProcessEnv>): Promise<Tracing | undefined> {
  const url = collectorUrl(environment);
  if (url === undefined || environment.OTEL_SDK_DISABLED === 'true') return undefined;
  // Only who traces pays for it: the packages take 20 MB.
  const [{ SpanKind, SpanStatusCode, trace, ROOT_CONTEXT }, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace-node'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ]);
  const provider = new sdk.NodeTracerProvider({
    resource: resourceFromAttributes({
      'service.name': environment.OTEL_SERVICE_NAME || DEFAULT_SERVICE_NAME,
      'service.version': VERSION,
    }),
    spanProcessors: [new sdk.BatchSpanProcessor(new OTLPTraceExporter({ url }))],
  });
  const tracer: Tracer = provider.getTracer('diarist', VERSION);
  // By request, not by its id: clients choose ids, and may choose one twice.
  const requests = new Map<FastifyRequest, Span>();
  const jobSpans = new Map<string, Span>();
  let stopListening = (): void => {};
  return {
    traceRequests(app) {
      app.addHook('onRequest', async (request) => {
        const parent = parentOf(request.headers.traceparent);
        const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
        const name = `${request.method} ${routeOf(request)}`;
        const attributes = { 'http.request.method': request.method, 'http.route': routeOf(request) };
        requests.set(request, tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, context));
      });
      const end = (request: FastifyRequest, status: number | undefined, code: string | undefined): void => {
        const span = requests.get(request);
        requests.delete(request);
        if (status !== undefined) span?.setAttribute('http.response.status_code', status);
        if (request.jobId !== undefined) span?.setAttribute('diarist.job', request.jobId);
        if (code !== undefined) span?.setAttribute('error.type', code);
        if (status === undefined || status >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
        span?.end();
      };
      app.addHook('onResponse', async (request, reply) => end(request, reply.statusCode, request.errorCode));
      app.addHook('onRequestAbort', async (request) => end(request, undefined, 'cancelled'));
    },
    traceJobs(jobs) {
      stopListening = jobs.onChange((change) => {
        const { job } = change;
        if (change.kind === 'accepted' && change.as === 'new') {
          const attributes = {
            'diarist.job': job.id,
            'diarist.dialect': job.dialect,
            'diarist.model': job.options.model,
          };
          jobSpans.set(job.id, tracer.startSpan('job', { attributes, startTime: job.createdAt }));
        } else if (change.kind === 'started') {
          jobSpans.get(job.id)?.addEvent('started', { 'diarist.queued_seconds': change.queuedSeconds });
        } else if (change.kind === 'requeued') {
          jobSpans.get(job.id)?.addEvent('requeued', { 'error.type': change.error.code });
        } else if (change.kind === 'ended') {
          const span = jobSpans.get(job.id);
          jobSpans.delete(job.id);
          if (job.audioSeconds !== undefined) span?.setAttribute('diarist.audio_seconds', job.audioSeconds);
          for (const [stage, seconds] of Object.entries(change.stageSeconds)) {
            span?.setAttribute(`diarist.stage_seconds.${stage}`, seconds);
          }
          if (job.error !== undefined) span?.setStatus({ code: SpanStatusCode.ERROR, message: job.error.code });
          span?.end();
        }
      });
    },
    async close() {
      stopListening();
      for (const span of [...requests.values(), ...jobSpans.values()]) span.end();
      // A collector that is gone must not keep the server from ending.
      await provider.shutdown().catch(() => {});
    },
  };
}

/** Source: OpenTelemetry Protocol Exporter, endpoint URLs for OTLP/HTTP. */
function collectorUrl(environment: Readonly<NodeJS.ProcessEnv>): string | undefined {
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: traces, OTEL_EXPORTER_OTLP_ENDPOINT: base } = environment;
  if (traces) return traces;
  return base ? `${base.replace(/\/+$/, '')}/v1/traces` : undefined;
}

/** The caller's span. Source: W3C Trace Context, `traceparent`. */
function parentOf(header: string | string[] | undefined): SpanContext | undefined {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/.exec([header].flat()[0] ?? '');
  if (match === null) return undefined;
  const [, traceId = '', spanId = '', flags = '00'] = match;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
}
