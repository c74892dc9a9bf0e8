import type { Dialect, ServerContext } from '../../types.ts';
import { type JobRequest, jobOf, noSuchJob } from './job-requests.ts';
import { deliveriesView, jobView } from './job-view.ts';
import { listJobs } from './list-jobs.ts';
import { rerunJob, submitJob } from './new-job.ts';
import type { JobView } from './schemas.ts';
import { sendEvents } from './send-events.ts';
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
