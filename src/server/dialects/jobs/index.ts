import { z } from 'zod';
import { formBody } from '../../openapi/form-body.ts';
import type { Dialect, ServerContext } from '../../types.ts';
import { type JobRequest, jobOf, noSuchJob } from './job-requests.ts';
import { deliveriesView, jobView } from './job-view.ts';
import { listJobs } from './list-jobs.ts';
import { rerunJob, submitJob } from './new-job.ts';
import {
  acceptedJobSchema,
  deliveriesSchema,
  eventsFieldsSchema,
  eventsResponse,
  type JobView,
  jobListFieldsSchema,
  jobPageSchema,
  jobParamsSchema,
  jobSchema,
  newJobFieldsSchema,
  rerunFieldsSchema,
  transcriptFieldsSchema,
  transcriptResponse,
} from './schemas.ts';
import { sendEvents } from './send-events.ts';
import { sendTranscript } from './transcript.ts';

const TAGS = ['jobs'];
const JOB = '/api/jobs/:id';

/** Durable jobs: submit, look, listen, fetch the transcript in any format, cancel, delete, run again. */
export const jobsDialect: Dialect = (app, context) => {
  const { jobs } = context;
  const params = jobParamsSchema;
  app.post(
    '/api/jobs',
    {
      config: {
        form: formBody(newJobFieldsSchema, {
          files: { file: 'The recording, in any container that ffmpeg reads.' },
          query: true,
          json: true,
          fileRequired: false,
        }),
      },
      schema: {
        tags: TAGS,
        summary: 'Submit a recording',
        description: 'A file, or the url of one. The job goes on whoever waits, across restarts.',
        response: { 202: acceptedJobSchema },
      },
    },
    (request, reply) => submitJob(request, reply, context),
  );
  app.get(
    '/api/jobs',
    {
      config: { query: jobListFieldsSchema },
      schema: { tags: TAGS, summary: 'List the jobs', description: 'Newest first.', response: { 200: jobPageSchema } },
    },
    async (request) => listJobs(request, context),
  );
  app.get(
    JOB,
    { schema: { tags: TAGS, summary: 'Look at a job', params, response: { 200: jobSchema } } },
    async (request: JobRequest) => view(request, context),
  );
  app.get(
    `${JOB}/transcript`,
    {
      config: { query: transcriptFieldsSchema },
      schema: {
        tags: TAGS,
        summary: 'Fetch the transcript',
        description: '409 while the job has not ended, 404 where it ended without a transcript.',
        params,
        response: { 200: transcriptResponse },
      },
    },
    (request: JobRequest, reply) => sendTranscript(request, reply, context),
  );
  app.get(
    `${JOB}/events`,
    {
      config: { query: eventsFieldsSchema },
      schema: {
        tags: TAGS,
        summary: 'Listen to a job',
        description:
          'Server-sent events: state, progress and part, numbered from 1. Last-Event-ID goes on behind an event; the stream ends with the job, and 204 says that nothing is left.',
        params,
        response: { 200: eventsResponse },
      },
    },
    (request: JobRequest, reply) => sendEvents(request, reply, context),
  );
  app.post(
    `${JOB}/cancel`,
    {
      schema: {
        tags: TAGS,
        summary: 'Cancel a job',
        description: 'A job that has ended stays as it is.',
        params,
        response: { 200: jobSchema },
      },
    },
    async (request: JobRequest) => {
      await jobs.cancel(jobOf(request, jobs).id, request.client.id);
      return view(request, context);
    },
  );
  app.delete(
    JOB,
    {
      schema: {
        tags: TAGS,
        summary: 'Delete a job',
        description: 'Cancels it where needed; recording and transcript are gone afterwards.',
        params,
        response: { 204: z.null() },
      },
    },
    async (request: JobRequest, reply) => {
      const { id } = request.params;
      if (!(await jobs.delete(id, request.client.id))) throw noSuchJob(id);
      return reply.code(204).send();
    },
  );
  app.post(
    `${JOB}/rerun`,
    {
      config: { form: formBody(rerunFieldsSchema, { query: true, json: true }) },
      schema: {
        tags: TAGS,
        summary: 'Run a job again',
        description:
          'A new job for the same recording. What is not named stays; "auto" takes a language or a number back.',
        params,
        response: { 202: acceptedJobSchema },
      },
    },
    (request: JobRequest, reply) => rerunJob(request, reply, context),
  );
  app.get(
    `${JOB}/deliveries`,
    { schema: { tags: TAGS, summary: 'Deliveries of the webhook', params, response: { 200: deliveriesSchema } } },
    async (request: JobRequest) => deliveriesView(jobs.deliveries(jobOf(request, jobs).id, request.client.id)),
  );
};

function view(request: JobRequest, { jobs }: ServerContext): JobView {
  const job = jobOf(request, jobs);
  return jobView(job, jobs.place(job.id), Date.now());
}
