import type { FastifyReply, FastifyRequest } from 'fastify';
import { DiaristError } from '../core/errors.ts';
import type { Job, Jobs, QueuePlace } from '../jobs/types.ts';
import { hangUpSignal } from './hang-up.ts';
import type { Answer, Answers, Followed, NewSubmission, Waiting } from './types.ts';

/** Submits what a dialect parsed and waits for the transcript, as the client asked (RFC 7240: `Prefer`). */
export class JobAnswers implements Answers {
  readonly #jobs: Jobs;

  constructor(jobs: Jobs) {
    this.#jobs = jobs;
  }

  async transcribe(
    request: FastifyRequest,
    reply: FastifyReply,
    submission: NewSubmission,
    options: Waiting = {},
  ): Promise<Answer | undefined> {
    const job = await this.#submit(request, reply, submission, options);
    if (job === undefined) return undefined;
    const ended = await this.#jobs.wait(job.id, hangUpSignal(request));
    return { job: ended, transcript: this.#transcriptOf(ended) };
  }

  async follow(
    request: FastifyRequest,
    reply: FastifyReply,
    submission: NewSubmission,
    options: Waiting = {},
  ): Promise<Followed | undefined> {
    const job = await this.#submit(request, reply, submission, options);
    if (job === undefined) return undefined;
    const signal = hangUpSignal(request);
    return {
      events: this.#jobs.events(job.id, { signal, attached: true }),
      transcript: () => {
        if (signal.aborted) throw new DiaristError('cancelled', 'The client hung up before the job was done.');
        return this.#transcriptOf(this.#jobs.get(job.id) ?? job);
      },
    };
  }

  /** Undefined where the client does not want to wait: then it has its reply. */
  async #submit(
    request: FastifyRequest,
    reply: FastifyReply,
    submission: NewSubmission,
    options: Waiting,
  ): Promise<Job | undefined> {
    const durable = prefersAsync(request.headers.prefer);
    const { job } = await this.#jobs.submit(
      { ...submission, client: request.client.id, durable },
      { wait: options.waitInQueue === true, signal: hangUpSignal(request) },
    );
    request.jobId = job.id;
    reply.header('x-diarist-job', job.id);
    if (!durable) return job;
    reply.code(202).header('location', `/api/jobs/${job.id}`).header('preference-applied', 'respond-async');
    await reply.send(accepted(job, this.#jobs.place(job.id)));
    return undefined;
  }

  hangUp(request: FastifyRequest): AbortSignal {
    return hangUpSignal(request);
  }

  #transcriptOf(job: Job): Answer['transcript'] {
    if (job.state === 'failed') {
      throw new DiaristError(job.error?.code ?? 'internal', job.error?.message ?? 'The job failed.');
    }
    if (job.state === 'queued' || job.state === 'running') {
      throw new DiaristError('shutting_down', 'The server stops before the job is done: send the recording again.');
    }
    const transcript = job.state === 'succeeded' ? this.#jobs.transcript(job.id) : undefined;
    if (transcript === undefined) {
      throw new DiaristError('cancelled', 'The job was cancelled before it was done; send the recording again.');
    }
    return transcript;
  }
}

/** `Prefer: respond-async`, possibly among other preferences. */
function prefersAsync(header: string | string[] | undefined): boolean {
  const preferences = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',');
  return preferences.some((preference) => preference.split(';')[0]?.trim().toLowerCase() === 'respond-async');
}

function accepted(job: Job, place: QueuePlace | undefined): Record<string, unknown> {
  return {
    id: job.id,
    state: job.state,
    progress: job.progress,
    createdAt: new Date(job.createdAt).toISOString(),
    ...(place !== undefined && { queuePosition: place.position, etaSeconds: place.etaSeconds }),
    links: { self: `/api/jobs/${job.id}`, transcript: `/api/jobs/${job.id}/transcript` },
  };
}
