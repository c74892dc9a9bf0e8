import type { FastifyReply, FastifyRequest } from 'fastify';
import { DiaristError } from '../../../core/errors.ts';
import type { Transcript } from '../../../transcript/types.ts';
import { errorReply, toRequestError } from '../../error-replies.ts';
import { eventStream, sendEventStream } from '../../event-stream.ts';
import { nextWithin } from '../../next-within.ts';
import { lookAtRecording, takeRecording } from '../../recording-field.ts';
import type { Form, NewSubmission, ServerContext } from '../../types.ts';
import { warningsHeader } from '../../warnings-header.ts';
import { embedVoices } from './embed-voices.ts';
import { openaiEvents } from './event-stream.ts';
import { readInputAudio } from './input-audio.ts';
import { renderAnswer } from './render.ts';
import { transcriptEvents } from './transcript-events.ts';
import { readTranscription, readTranslation, type TranscriptionRequest } from './transcription-request.ts';

const FILE: readonly ['file'] = ['file'];

/**
 * A failure that comes so early is answered with its own status, which SDKs act upon; later ones are events of a stream
 * that has begun.
 */
const EARLY_FAILURE_MS = 1500;

/** Parameters of a path that names the model, as Azure has it. */
export interface DeploymentParams {
  readonly deployment?: string;
}

/** Answers `POST …/audio/transcriptions` and `POST …/audio/translations`. */
export async function transcribe(
  task: Transcript['task'],
  request: FastifyRequest<{ Params: DeploymentParams }>,
  reply: FastifyReply,
  context: ServerContext,
): Promise<FastifyReply> {
  await using form = await context.uploads.read(request, { files: FILE, json: readInputAudio });
  const { deployment } = request.params;
  const modelName = deployment ?? form.fields.get('model')?.[0]?.trim() ?? '';
  const asked = task === 'translate' ? readTranslation(form.fields) : readTranscription(form.fields, modelName);
  const submission = await submissionOf(asked, form, modelName, request, context);
  return asked.stream
    ? await answerInEvents(asked, submission, request, reply, context)
    : await answerInOne(asked, submission, request, reply, context);
}

async function submissionOf(
  { options, voices }: TranscriptionRequest,
  form: Form,
  modelName: string,
  request: FastifyRequest<{ Params: DeploymentParams }>,
  { models, engines, jobs }: ServerContext,
): Promise<NewSubmission> {
  // Deployments have names of their own, which say nothing of a model here.
  const model = await models.resolve(modelName).catch((error: unknown) => {
    if (request.params.deployment !== undefined && isUnknownModel(error)) return models.resolve(undefined);
    throw error;
  });
  const file = lookAtRecording(form, FILE);
  if (voices.length > 0) {
    // Voices take the engine before any job does: a server that is overloaded refuses first.
    const knownSpeakers = voices.map(({ name, sha256 }) => ({ name, reference: sha256, embedding: [] }));
    jobs.assertRoom({ file, options: { ...options, model, knownSpeakers }, client: request.client.id });
  }
  const knownSpeakers = await embedVoices(voices, (voice) => engines.embedVoice(request, voice), jobs.uploadFolder);
  return {
    file: takeRecording(form, FILE),
    options: { ...options, model, ...(knownSpeakers.length > 0 && { knownSpeakers }) },
    dialect: 'openai',
  };
}

async function answerInOne(
  asked: TranscriptionRequest,
  submission: NewSubmission,
  request: FastifyRequest,
  reply: FastifyReply,
  { answers }: ServerContext,
): Promise<FastifyReply> {
  const answer = await answers.transcribe(request, reply, submission);
  if (answer === undefined) return reply;
  const transcript = withWarnings(answer.transcript, asked);
  const { contentType, body } = renderAnswer(transcript, asked.output, namesOf(asked));
  return reply.headers(warningsHeader(transcript)).type(contentType).send(body);
}

async function answerInEvents(
  asked: TranscriptionRequest,
  submission: NewSubmission,
  request: FastifyRequest,
  reply: FastifyReply,
  { answers }: ServerContext,
): Promise<FastifyReply> {
  const followed = await answers.follow(request, reply, submission);
  if (followed === undefined) return reply;
  const finish = (transcript: Transcript): Transcript => withWarnings(transcript, asked);
  const events = transcriptEvents(followed, asked.output, finish, namesOf(asked));
  const first = events.next();
  // A failure is thrown here, or in the stream where it comes later.
  await nextWithin(first, EARLY_FAILURE_MS);
  const errorBody = (error: unknown): unknown => {
    const failure = toRequestError(error);
    request.errorCode = failure.code;
    const { body, unexpected } = errorReply(failure, 'openai', request.id);
    if (unexpected) request.log.error({ err: error }, 'unexpected failure');
    return body;
  };
  return sendEventStream(reply, eventStream(events, openaiEvents(errorBody), first));
}

function withWarnings(transcript: Transcript, { warnings }: TranscriptionRequest): Transcript {
  return warnings.length === 0 ? transcript : { ...transcript, warnings: [...warnings, ...transcript.warnings] };
}

function namesOf({ voices }: TranscriptionRequest): ReadonlySet<string> {
  return new Set(voices.map(({ name }) => name));
}

function isUnknownModel(error: unknown): boolean {
  return error instanceof DiaristError && error.code === 'unknown_model';
}
