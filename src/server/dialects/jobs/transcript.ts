import type { FastifyReply } from 'fastify';
import { DiaristError } from '../../../core/errors.ts';
import type { Job, Jobs } from '../../../jobs/types.ts';
import type { Transcript } from '../../../transcript/types.ts';
import { attachmentOf } from '../../attachment.ts';
import { requestedFormat } from '../../requested-format.ts';
import type { ServerContext } from '../../types.ts';
import { warningsHeader } from '../../warnings-header.ts';
import { parseFields } from '../../webservice-options.ts';
import { type JobRequest, jobOf, queryFields } from './job-requests.ts';
import { transcriptFieldsSchema } from './schemas.ts';

/** `GET /api/jobs/{id}/transcript`. */
export async function sendTranscript(
  request: JobRequest,
  reply: FastifyReply,
  { jobs }: ServerContext,
): Promise<FastifyReply> {
  const format = requestedFormat(parseFields(transcriptFieldsSchema, queryFields(request)).format, 'format');
  const job = jobOf(request, jobs);
  const transcript = transcriptOf(job, jobs);
  return reply
    .headers(warningsHeader(transcript))
    .type(format.contentType)
    .header('content-disposition', attachmentOf(job.name, format.extension))
    .send(format.render(transcript, { recordingName: job.name }));
}

/** Throws `not_finished` while there is none yet, `not_found` where there will be none, `input_gone` where it is gone. */
function transcriptOf(job: Job, jobs: Jobs): Transcript {
  switch (job.state) {
    case 'queued':
    case 'running':
      throw new DiaristError('not_finished', `The job is ${job.state}: ask again when it has succeeded.`);
    case 'failed':
      throw new DiaristError(
        'not_found',
        `The job failed and has no transcript: ${job.error?.message ?? 'run it again.'}`,
      );
    case 'cancelled':
      throw new DiaristError('not_found', 'The job was cancelled and has no transcript: run it again.');
    case 'succeeded': {
      const transcript = jobs.transcript(job.id, job.client);
      if (transcript !== undefined) return transcript;
      throw new DiaristError('input_gone', 'The transcript of this job is not kept any more: run it again.');
    }
  }
}
