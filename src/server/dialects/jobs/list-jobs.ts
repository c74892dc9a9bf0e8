import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { DiaristError } from '../../../core/errors.ts';
import type { JobState } from '../../../jobs/types.ts';
import type { ServerContext } from '../../types.ts';
import { parseFields } from '../../webservice-options.ts';
import { queryFields } from './job-requests.ts';
import { jobView } from './job-view.ts';
import { JOB_STATES, jobListFieldsSchema, type jobPageSchema } from './schemas.ts';

const DEFAULT_PAGE = 50;

/** `GET /api/jobs`: the client's own jobs, newest first. */
export function listJobs(request: FastifyRequest, { jobs }: ServerContext): z.output<typeof jobPageSchema> {
  const fields = queryFields(request);
  const asked = parseFields(jobListFieldsSchema, fields);
  const states = (fields.get('state') ?? []).flatMap((list) => list.split(',')).filter((name) => name !== '');
  const { dialect, cursor } = asked;
  const page = jobs.list({
    client: request.client.id,
    ...(states.length > 0 && { states: states.map(jobState) }),
    ...(dialect && { dialect }),
    ...(cursor && { after: cursor }),
    limit: asked.limit ?? DEFAULT_PAGE,
  });
  const now = Date.now();
  return {
    jobs: page.jobs.map((job) => jobView(job, jobs.place(job.id), now)),
    ...(page.next !== undefined && { next: page.next }),
  };
}

function jobState(name: string): JobState {
  const state = JOB_STATES.find((known) => known === name.trim().toLowerCase());
  if (state !== undefined) return state;
  throw new DiaristError('invalid_request', `There is no state "${name.slice(0, 40)}": use ${JOB_STATES.join(', ')}.`, {
    param: 'state',
  });
}
