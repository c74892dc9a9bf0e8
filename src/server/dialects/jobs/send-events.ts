import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Jobs } from '../../../jobs/types.ts';
import { eventStream, sendEventStream } from '../../event-stream.ts';
import type { ServerContext } from '../../types.ts';
import { parseFields } from '../../webservice-options.ts';
import { JOB_EVENTS } from './event-stream.ts';
import { type JobRequest, jobOf, queryFields } from './job-requests.ts';
import { eventsFieldsSchema } from './schemas.ts';

/** `GET /api/jobs/{id}/events`: what happened to the job and what happens, until it has ended. */
export async function sendEvents(
  request: JobRequest,
  reply: FastifyReply,
  { jobs, answers }: ServerContext,
): Promise<FastifyReply> {
  const job = jobOf(request, jobs);
  const after = lastEventId(request);
  // A browser comes back whenever a stream ends; 204 tells it that there is nothing more to hear.
  if (job.finishedAt !== undefined && (await isOver(job.id, after, jobs))) return reply.code(204).send();
  const signal = answers.hangUp(request);
  const events = jobs.events(job.id, { after, signal })[Symbol.asyncIterator]();
  return sendEventStream(reply, eventStream(events, JOB_EVENTS));
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

async function isOver(id: string, after: number, jobs: Jobs): Promise<boolean> {
  const events = jobs.events(id, { after })[Symbol.asyncIterator]();
  try {
    return (await events.next()).done === true;
  } finally {
    await events.return?.();
  }
}
