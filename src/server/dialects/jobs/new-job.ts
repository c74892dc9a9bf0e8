import type { FastifyReply, FastifyRequest } from 'fastify';
import { DiaristError } from '../../../core/errors.ts';
import type { Submission, Submitted, Webhook } from '../../../jobs/types.ts';
import { takeRecording } from '../../recording-field.ts';
import type { Form, ServerContext } from '../../types.ts';
import { defaultJobOptions, parseFields, withWebserviceOptions } from '../../webservice-options.ts';
import { type JobRequest, jobOf, noSuchJob } from './job-requests.ts';
import { jobView } from './job-view.ts';
import { newJobFieldsSchema, rerunFieldsSchema } from './schemas.ts';

const FILE_FIELDS = ['file', 'audio_file'] as const;

/** `POST /api/jobs`: accepts a recording, or the address of one. */
export async function submitJob(
  request: FastifyRequest,
  reply: FastifyReply,
  context: ServerContext,
): Promise<FastifyReply> {
  const { uploads, models, jobs } = context;
  await using form = await uploads.read(request, { files: FILE_FIELDS, query: 'wins' });
  const asked = parseFields(newJobFieldsSchema, form.fields);
  const options = withWebserviceOptions(defaultJobOptions(await models.resolve(asked.model)), asked);
  const webhook = webhookOf(asked.webhook_url, asked.webhook_secret);
  const submission: Submission = {
    ...sourceOf(form, asked.url),
    options,
    client: request.client.id,
    dialect: 'jobs',
    durable: true,
    ...(webhook !== undefined && { webhook }),
    ...(asked.reuse !== undefined && { reuse: asked.reuse }),
  };
  return accepted(reply, await jobs.submit(submission), context);
}

/** `POST /api/jobs/{id}/rerun`: a new job for the same recording; what is not named stays as it was. */
export async function rerunJob(
  request: JobRequest,
  reply: FastifyReply,
  context: ServerContext,
): Promise<FastifyReply> {
  const { uploads, models, jobs } = context;
  const { id } = request.params;
  await using form = await uploads.read(request, { files: [], query: 'wins' });
  const asked = parseFields(rerunFieldsSchema, form.fields);
  const before = jobOf(request, jobs);
  const model = asked.model ? await models.resolve(asked.model) : before.options.model;
  const options = withWebserviceOptions({ ...before.options, model }, asked);
  const submitted = await jobs.rerun(id, options, request.client.id);
  if (submitted === undefined) throw noSuchJob(id);
  return accepted(reply, submitted, context);
}

function accepted(reply: FastifyReply, { job, as }: Submitted, { jobs }: ServerContext): FastifyReply {
  reply.request.jobId = job.id;
  const body = { ...jobView(job, jobs.place(job.id), Date.now()), as };
  return reply.code(202).header('location', `/api/jobs/${job.id}`).header('x-diarist-job', job.id).send(body);
}

function sourceOf(form: Form, url: string | undefined): Pick<Submission, 'file' | 'url'> {
  if (!url) return { file: takeRecording(form, FILE_FIELDS) };
  if (form.files.size > 0) {
    throw new DiaristError('invalid_request', 'Send either a file or a url, not both.', { param: 'url' });
  }
  return { url };
}

function webhookOf(url: string | undefined, secret: string | undefined): Webhook | undefined {
  if (url) return { url, ...(secret && { secret }) };
  if (secret) {
    throw new DiaristError('invalid_request', 'webhook_secret needs a webhook_url that it signs for.', {
      param: 'webhook_url',
    });
  }
  return undefined;
}
