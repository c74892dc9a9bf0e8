import type { Dialect, ServerContext } from '../../types.ts';
import { type JobRequest, jobOf, noSuchJob } from './job-requests.ts';
import { deliveriesView, jobView } from './job-view.ts';
import { listJobs } from './list-jobs.ts';
import { rerunJob, submitJob } from './new-job.ts';
import {
  cancelDocs,
  deleteDocs,
  deliveriesDocs,
  eventsDocs,
  jobDocs,
  listDocs,
  rerunDocs,
  submitDocs,
  transcriptDocs,
} from './route-docs.ts';
import type { JobView } from './schemas.ts';
import { sendEvents } from './send-events.ts';
import { sendTranscript } from './transcript.ts';

const JOB = '/api/jobs/:id';

/** Durable jobs: submit, look, listen, fetch the transcript in any format, cancel, delete, run again. */
export const jobsDialect: Dialect = (app, context) => {
  const { jobs } = context;
  app.post('/api/jobs', submitDocs, (request, reply) => submitJob(request, reply, context));
  app.get('/api/jobs', listDocs, async (request) => listJobs(request, context));
  app.get(JOB, jobDocs, async (request: JobRequest) => view(request, context));
  app.get(`${JOB}/transcript`, transcriptDocs, (request: JobRequest, reply) => sendTranscript(request, reply, context));
  // A HEAD route would listen to the end of the job for nobody.
  const events = { ...eventsDocs, exposeHeadRoute: false };
  app.get(`${JOB}/events`, events, (request: JobRequest, reply) => sendEvents(request, reply, context));
  app.post(`${JOB}/cancel`, cancelDocs, async (request: JobRequest) => {
    await jobs.cancel(jobOf(request, jobs).id, request.client.id);
    return view(request, context);
  });
  app.delete(JOB, deleteDocs, async (request: JobRequest, reply) => {
    const { id } = request.params;
    if (!(await jobs.delete(id, request.client.id))) throw noSuchJob(id);
    return reply.code(204).send();
  });
  app.post(`${JOB}/rerun`, rerunDocs, (request: JobRequest, reply) => rerunJob(request, reply, context));
  app.get(`${JOB}/deliveries`, deliveriesDocs, async (request: JobRequest) =>
    deliveriesView(jobs.deliveries(jobOf(request, jobs).id, request.client.id)),
  );
};

function view(request: JobRequest, { jobs }: ServerContext): JobView {
  const job = jobOf(request, jobs);
  return jobView(job, jobs.place(job.id), Date.now());
}
