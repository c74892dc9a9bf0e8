import type { FastifyReply, FastifyRequest } from 'fastify';
import { asyncResponse } from '../../openapi/async-response.ts';
import { formBody } from '../../openapi/form-body.ts';
import { takeRecording } from '../../recording-field.ts';
import type { Dialect, ServerContext } from '../../types.ts';
import { warningsHeader } from '../../warnings-header.ts';
import { defaultJobOptions, parseFields, withWebserviceOptions } from '../../webservice-options.ts';
import { renderSpeakers } from './render.ts';
import { speakersFieldsSchema, speakersTranscriptSchema } from './schemas.ts';

const PATHS = ['/v1/audio/transcribe-with-speakers', '/api/audio/transcribe-with-speakers'];
const FILE_FIELDS = ['file', 'audio_file', 'audio'] as const;

/** The speakers dialect: one call, one answer of blocks by speaker, for recap tools. */
export const speakersDialect: Dialect = (app, context) => {
  const form = formBody(speakersFieldsSchema, { files: { file: 'The recording.' }, query: true });
  for (const path of PATHS) {
    app.post(
      path,
      {
        config: { envelope: 'asr', form },
        schema: {
          tags: ['speakers'],
          summary: 'Transcribe with speakers',
          description: 'Blocks of consecutive words of one speaker; a block also ends at a silence of more than 1.5 s.',
          response: { 200: speakersTranscriptSchema, 202: asyncResponse },
        },
      },
      (request, reply) => transcribe(request, reply, context),
    );
  }
};

async function transcribe(
  request: FastifyRequest,
  reply: FastifyReply,
  { uploads, models, answers }: ServerContext,
): Promise<FastifyReply> {
  await using form = await uploads.read(request, { files: FILE_FIELDS, query: 'wins' });
  const asked = parseFields(speakersFieldsSchema, form.fields);
  const options = withWebserviceOptions(defaultJobOptions(await models.resolve(asked.model)), asked);
  const file = takeRecording(form, FILE_FIELDS);
  const submission = { file, options: { ...options, diarize: true, words: true }, dialect: 'speakers' };
  const answer = await answers.transcribe(request, reply, submission, { waitInQueue: true });
  if (answer === undefined) return reply;
  return reply
    .headers(warningsHeader(answer.transcript))
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(renderSpeakers(answer.transcript)));
}
