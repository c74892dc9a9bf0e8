import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Dialect, ServerContext } from '../../types.ts';
import { parseFields } from '../../webservice-options.ts';
import { eventStream } from './event-stream.ts';
import { type JobRequest, jobOf, noSuchJob, queryFields } from './job-requests.ts';
import { deliveriesView, jobView } from './job-view.ts';
import { listJobs } from './list-jobs.ts';
import { rerunJob, submitJob } from './new-job.ts';
import { eventsFieldsSchema, type JobView } from './schemas.ts';
import { sendTranscript } from './transcript.ts';

/** Durable jobs: submit, look, listen, fetch the transcript in any format, cancel, delete, run again. */
export const jobsDialect: Dialect = (app, context) => {
  const { jobs } = context;
  app.post('/api/jobs', (request, reply) => submitJob(request, reply, context));
  app.get('/api/jobs', async (request) => listJobs(request, context));
  app.get('/api/jobs/:id', async (request: JobRequest) => view(request, context));
  app.get('/api/jobs/:id/transcript', (request: JobRequest, reply) => sendTranscript(request, reply, context));
  app.get('/api/jobs/:id/events', (request: JobRequest, reply) => sendEvents(request, reply, context));
  app.post('/api/jobs/:id/cancel', async (request: JobRequest) => {
    await jobs.cancel(jobOf(request, jobs).id, request.client.id);
    return view(request, context);
  });
  app.delete('/api/jobs/:id', async (request: JobRequest, reply) => {
    if (!(await jobs.delete(request.params.id, request.client.id))) throw noSuchJob(request.params.id);
    return reply.code(204).send();
  });
  app.post('/api/jobs/:id/rerun', (request: JobRequest, reply) => rerunJob(request, reply, context));
  app.get('/api/jobs/:id/deliveries', async (request: JobRequest) =>
    deliveriesView(jobs.deliveries(jobOf(request, jobs).id, request.client.id)),
  );
};

function view(request: JobRequest, { jobs }: ServerContext): JobView {
  const job = jobOf(request, jobs);
  return jobView(job, jobs.place(job.id), Date.now());
}

async function sendEvents(
  request: JobRequest,
  reply: FastifyReply,
  { jobs, answers }: ServerContext,
): Promise<FastifyReply> {
  const job = jobOf(request, jobs);
  const after = lastEventId(request);
  const signal = answers.hangUp(request);
  const events = jobs.events(job.id, { after, signal })[Symbol.asyncIterator]();
  return reply
    .type('text/event-stream; charset=utf-8')
    .headers({ 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' })
    .send(Readable.from(eventStream(events), { objectMode: false }));
}

/** The header is what a browser sends when it comes back; the parameter is for those who cannot set one. */
function lastEventId(request: FastifyRequest): number {
  const header = request.headers['last-event-id'];
  const asked = parseFields(
    eventsFieldsSchema,
    header === undefined ? queryFields(request) : new Map([['after', [header].flat()]]),
  );
  return asked.after ?? 0;
}
