import type { FastifyRequest } from 'fastify';
import { DiaristError } from '../../../core/errors.ts';
import type { Job, Jobs } from '../../../jobs/types.ts';
import type { Fields } from '../../webservice-options.ts';

/** A request about one job. */
export type JobRequest = FastifyRequest<{ Params: { id: string } }>;

/** The job that a request is about. Throws `not_found` where it is not one of the client's. */
export function jobOf(request: JobRequest, jobs: Jobs): Job {
  const { id } = request.params;
  const job = jobs.get(id, request.client.id);
  if (job === undefined) throw noSuchJob(id);
  return job;
}

/** A job of another client is answered like one that never was. */
export function noSuchJob(id: string): DiaristError {
  return new DiaristError(
    'not_found',
    `There is no job "${id.slice(0, 64)}": it was deleted, its time is over, or it belongs to another key.`,
  );
}

/** Parameters of the query by name. */
export function queryFields(request: FastifyRequest): Fields {
  const query = request.query as Record<string, string | string[]>;
  return new Map(Object.entries(query).map(([name, value]) => [name, [value].flat()]));
}
