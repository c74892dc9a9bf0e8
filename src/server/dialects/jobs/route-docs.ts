import type { FastifyContextConfig, FastifySchema } from 'fastify';
import { z } from 'zod';
import { failure } from '../../openapi/failure-response.ts';
import { formBody } from '../../openapi/form-body.ts';
import {
  acceptedJobSchema,
  deliveriesSchema,
  eventsFieldsSchema,
  jobListFieldsSchema,
  jobPageSchema,
  jobParamsSchema,
  jobSchema,
  newJobFieldsSchema,
  rerunFieldsSchema,
  transcriptFieldsSchema,
} from './schemas.ts';

/** What a route says of itself, whatever its handler is given. */
interface RouteDocs {
  readonly config?: FastifyContextConfig;
  readonly schema: FastifySchema;
}

const tags = ['jobs'];
const params = jobParamsSchema;

const badRequest = failure('A parameter is not valid; param names it.');
const noSuchJob = failure('There is no such job, or it belongs to another key.');

export const submitDocs: RouteDocs = {
  config: {
    form: formBody(newJobFieldsSchema, {
      files: { file: 'The recording, in any container that ffmpeg reads.' },
      query: true,
      json: true,
      fileRequired: false,
    }),
  },
  schema: {
    tags,
    summary: 'Submit a recording',
    description: 'A file, or the url of one. The job goes on whoever waits, across restarts.',
    response: { 202: acceptedJobSchema },
  },
};

export const listDocs: RouteDocs = {
  config: { query: jobListFieldsSchema },
  schema: {
    tags,
    summary: 'List the jobs',
    description: 'Newest first.',
    response: { 200: jobPageSchema, 400: badRequest },
  },
};

export const jobDocs: RouteDocs = {
  schema: { tags, summary: 'Look at a job', params, response: { 200: jobSchema, 404: noSuchJob } },
};

const text = { schema: z.string() };

export const transcriptDocs: RouteDocs = {
  config: { query: transcriptFieldsSchema },
  schema: {
    tags,
    summary: 'Fetch the transcript',
    params,
    response: {
      200: {
        description: 'The transcript. As JSON it is what schema/transcript-1.schema.json describes.',
        content: {
          'application/json': { schema: z.record(z.string(), z.unknown()) },
          'application/x-subrip': text,
          'text/vtt': text,
          'text/tab-separated-values': text,
          'text/plain': text,
        },
      },
      400: badRequest,
      404: failure('There is no such job, or it ended without a transcript.'),
      409: failure('The job has not ended.'),
      410: failure('The transcript is not kept any more.'),
    },
  },
};

const EXAMPLE_EVENT = {
  kind: 'progress',
  at: '2026-11-21T09:30:04.120Z',
  stage: 'transcribe',
  progress: 0.31,
  etaSeconds: 12,
};

export const eventsDocs: RouteDocs = {
  config: { query: eventsFieldsSchema },
  schema: {
    tags,
    summary: 'Listen to a job',
    description:
      'Server-sent events: state, progress and part. Of progress only the newest is kept for those who come late. Last-Event-ID goes on behind an event, and the stream ends with the job.',
    params,
    response: {
      200: {
        description: 'Events as they happen.',
        content: {
          'text/event-stream': {
            schema: z
              .string()
              .meta({ examples: [`id: 2\nevent: progress\ndata: ${JSON.stringify(EXAMPLE_EVENT)}\n\n`] }),
          },
        },
      },
      204: z.null().meta({ description: 'The job has ended, and there are no events behind the last one.' }),
      400: badRequest,
      404: noSuchJob,
    },
  },
};

export const cancelDocs: RouteDocs = {
  schema: {
    tags,
    summary: 'Cancel a job',
    description: 'A job that has ended stays as it is.',
    params,
    response: { 200: jobSchema, 404: noSuchJob },
  },
};

export const deleteDocs: RouteDocs = {
  schema: {
    tags,
    summary: 'Delete a job',
    description: 'Cancels it where needed; recording and transcript are gone afterwards.',
    params,
    response: { 204: z.null().meta({ description: 'It is gone.' }), 404: noSuchJob },
  },
};

export const rerunDocs: RouteDocs = {
  config: { form: formBody(rerunFieldsSchema, { query: true, json: true }) },
  schema: {
    tags,
    summary: 'Run a job again',
    description: 'A new job for the same recording. What is not named stays; "auto" takes a language or a number back.',
    params,
    response: {
      202: acceptedJobSchema,
      404: noSuchJob,
      410: failure('The recording is not kept any more.'),
    },
  },
};

export const deliveriesDocs: RouteDocs = {
  schema: {
    tags,
    summary: 'Deliveries of the webhook',
    params,
    response: { 200: deliveriesSchema, 404: noSuchJob },
  },
};
