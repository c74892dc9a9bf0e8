import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyInstance } from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Engines } from '../host/types.ts';
import type { JobChange, Jobs } from '../jobs/types.ts';
import type { ModelSupply } from './model-supply.ts';
import { routeOf } from './request-log.ts';

export interface MetricsOptions {
  readonly jobs: Jobs;
  readonly engines: Engines;
  readonly supply: ModelSupply;
}

/** The metrics as they are now. */
export interface Metrics {
  /** Media type of the text. */
  readonly contentType: string;
  text(): Promise<string>;
}

/** Seconds: from a probe to a recording of hours. */
const DURATION_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600];
/** Seconds of audio per second of work. */
const RTFX_BUCKETS = [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256];
const NANOSECONDS_A_SECOND = 1e9;
const LOOP_SAMPLE_MS = 20;

/** Counts what happens, for Prometheus. The engine's memory is that of its processes. */
export function collectMetrics(app: FastifyInstance, options: MetricsOptions): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  countRequests(app, registry);
  const stopCounting = options.jobs.onChange(jobCounters(registry));
  const stopWatching = watchEventLoop(registry);
  gaugeState(registry, options);
  gaugeEngines(registry, options.engines);
  app.addHook('onClose', async () => {
    stopCounting();
    stopWatching();
  });
  return { contentType: registry.contentType, text: () => registry.metrics() };
}

function countRequests(app: FastifyInstance, registry: Registry): void {
  const requests = new Histogram({
    name: 'diarist_http_request_duration_seconds',
    help: 'Time from the first byte of a request to the last of its answer.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: DURATION_BUCKETS,
    registers: [registry],
  });
  const errors = new Counter({
    name: 'diarist_http_errors_total',
    help: 'Requests that were answered with an error, by its code.',
    labelNames: ['code', 'route'] as const,
    registers: [registry],
  });
  const received = new Counter({
    name: 'diarist_http_received_bytes_total',
    help: 'Bytes of bodies, as far as the clients said how long they are.',
    registers: [registry],
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = routeOf(request);
    const labels = { method: request.method, route, status: String(reply.statusCode) };
    requests.observe(labels, reply.elapsedTime / 1000);
    if (request.errorCode !== undefined) errors.inc({ code: request.errorCode, route });
    received.inc(Number(request.headers['content-length'] ?? 0) || 0);
  });
}

function jobCounters(registry: Registry): (change: JobChange) => void {
  const registers = [registry];
  const accepted = new Counter({
    name: 'diarist_jobs_accepted_total',
    help: 'Submissions, by dialect and whether they made a new job, joined one or found its stored result.',
    labelNames: ['dialect', 'as'] as const,
    registers,
  });
  const ended = new Counter({
    name: 'diarist_jobs_ended_total',
    help: 'Jobs that ended, by state and code of their error.',
    labelNames: ['state', 'code'] as const,
    registers,
  });
  const requeued = new Counter({
    name: 'diarist_jobs_requeued_total',
    help: 'Times that a job went back into the queue because its engine failed.',
    labelNames: ['code'] as const,
    registers,
  });
  const audioSeconds = new Counter({
    name: 'diarist_audio_seconds_total',
    help: 'Seconds of audio that were transcribed.',
    labelNames: ['model'] as const,
    registers,
  });
  const waited = new Histogram({
    name: 'diarist_queue_wait_seconds',
    help: 'Time that jobs waited in the queue.',
    labelNames: ['priority'] as const,
    buckets: DURATION_BUCKETS,
    registers,
  });
  const stages = new Histogram({
    name: 'diarist_stage_seconds',
    help: 'Wall time of the stages of jobs.',
    labelNames: ['stage'] as const,
    buckets: DURATION_BUCKETS,
    registers,
  });
  const rtfx = new Histogram({
    name: 'diarist_rtfx',
    help: 'Seconds of audio per second of wall time, from the start of a job to its end.',
    labelNames: ['model'] as const,
    buckets: RTFX_BUCKETS,
    registers,
  });
  return (change) => {
    const { job } = change;
    if (change.kind === 'accepted') accepted.inc({ dialect: job.dialect, as: change.as });
    else if (change.kind === 'started') waited.observe({ priority: job.priority }, change.queuedSeconds);
    else if (change.kind === 'requeued') requeued.inc({ code: change.error.code });
    else {
      ended.inc({ state: job.state, code: job.error?.code ?? '' });
      for (const [stage, seconds] of Object.entries(change.stageSeconds)) stages.observe({ stage }, seconds);
      const { model } = job.options;
      if (job.state !== 'succeeded' || job.audioSeconds === undefined) return;
      audioSeconds.inc({ model }, job.audioSeconds);
      const workSeconds = ((job.finishedAt ?? 0) - (job.startedAt ?? 0)) / 1000;
      if (job.startedAt !== undefined && workSeconds > 0) rtfx.observe({ model }, job.audioSeconds / workSeconds);
    }
  };
}

function gaugeState(registry: Registry, { jobs, supply }: MetricsOptions): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      ...{ name, help, registers },
      collect() {
        this.set(read());
      },
    });
  };
  gauge('diarist_jobs_queued', 'Jobs in the queue.', () => jobs.counts().queued);
  gauge('diarist_jobs_running', 'Jobs that run.', () => jobs.counts().running);
  gauge('diarist_queue_limit', 'Most jobs that may be queued.', () => jobs.counts().limit);
  gauge('diarist_models_missing', 'Models that are needed and not on this machine.', () => supply.missing().length);
}

function gaugeEngines(registry: Registry, engines: Engines): void {
  const registers = [registry];
  new Gauge({
    name: 'diarist_engine_up',
    help: '1 where the engine of a model runs.',
    labelNames: ['model', 'device'] as const,
    registers,
    collect() {
      this.reset();
      for (const { model, device = '', state } of engines.status())
        this.set({ model, device }, state === 'ready' ? 1 : 0);
    },
  });
  new Gauge({
    name: 'diarist_engine_resident_bytes',
    help: 'Memory of the engine of a model.',
    labelNames: ['model'] as const,
    registers,
    collect() {
      this.reset();
      for (const { model, residentBytes } of engines.status()) this.set({ model }, residentBytes ?? 0);
    },
  });
  new Gauge({
    name: 'diarist_engine_batch_fill',
    help: 'How full the batches of the decoder were since the engine started, 0 to 1.',
    labelNames: ['model'] as const,
    registers,
    collect() {
      this.reset();
      for (const { model, metrics } of engines.status()) {
        const places = (metrics?.decoderSteps ?? 0) * (metrics?.batchCapacity ?? 0);
        if (metrics !== undefined && places > 0) this.set({ model }, metrics.decodedWindows / places);
      }
    },
  });
  new Gauge({
    name: 'diarist_engine_task_seconds',
    help: 'Time that workers held tasks of a kind since the engine started.',
    labelNames: ['model', 'kind'] as const,
    registers,
    collect() {
      this.reset();
      for (const { model, metrics } of engines.status()) {
        for (const [kind, seconds] of Object.entries(metrics?.taskSeconds ?? {})) this.set({ model, kind }, seconds);
      }
    },
  });
}

/** The delay of the event loop: what every request waits for before it is even looked at. */
function watchEventLoop(registry: Registry): () => void {
  const delay = monitorEventLoopDelay({ resolution: LOOP_SAMPLE_MS });
  delay.enable();
  new Gauge({
    name: 'diarist_event_loop_delay_seconds',
    help: 'Delay of the event loop since the last scrape.',
    labelNames: ['quantile'] as const,
    registers: [registry],
    collect() {
      for (const [quantile, percentile] of [
        ['0.5', 50],
        ['0.99', 99],
        ['1', 100],
      ] as const) {
        // What is measured is the time between two samples: the delay is what they are apart too much.
        const seconds = delay.count === 0 ? 0 : delay.percentile(percentile) / NANOSECONDS_A_SECOND;
        this.set({ quantile }, Math.max(0, seconds - LOOP_SAMPLE_MS / 1000));
      }
      delay.reset();
    },
  });
  return () => delay.disable();
}
