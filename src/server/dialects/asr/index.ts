import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FormatName } from '../../../transcript/formats.ts';
import { attachmentOf } from '../../attachment.ts';
import { asyncResponse } from '../../openapi/async-response.ts';
import { formBody } from '../../openapi/form-body.ts';
import { takeRecording } from '../../recording-field.ts';
import { requestedFormat } from '../../requested-format.ts';
import type { Dialect, ServerContext } from '../../types.ts';
import { warningsHeader } from '../../warnings-header.ts';
import { defaultJobOptions, parseFields, withWebserviceOptions } from '../../webservice-options.ts';
import { detectLanguage } from './detect-language.ts';
import { renderAsr } from './render.ts';
import { asrFieldsSchema, asrResponse, detectedLanguageSchema, detectLanguageFieldsSchema } from './schemas.ts';

const TAGS = ['whisper webservice'];
const RECORDING = 'The recording, in any container that ffmpeg reads.';

/**
 * The whisper webservice: `POST /asr` and `POST /detect-language`, as whisperx-asr-service and whisper-asr-webservice
 * have them and Speakr, Bazarr and scripts for Subgen call them.
 */
export const asrDialect: Dialect = (app, context) => {
  app.post(
    '/asr',
    {
      config: { envelope: 'asr', form: formBody(asrFieldsSchema, { files: { audio_file: RECORDING }, query: true }) },
      schema: {
        tags: TAGS,
        summary: 'Transcribe a recording',
        description: 'Waits in the queue as long as it takes. Other formats than json are answered as text.',
        response: { 200: asrResponse, 202: asyncResponse },
      },
    },
    (request, reply) => transcribe(request, reply, context),
  );
  app.post(
    '/detect-language',
    {
      config: {
        envelope: 'asr',
        form: formBody(detectLanguageFieldsSchema, { files: { audio_file: RECORDING }, query: true }),
      },
      schema: { tags: TAGS, summary: 'Detect the language', response: { 200: detectedLanguageSchema } },
    },
    (request) => detectLanguage(request, context),
  );
};

async function transcribe(
  request: FastifyRequest,
  reply: FastifyReply,
  { uploads, models, answers }: ServerContext,
): Promise<FastifyReply> {
  await using form = await uploads.read(request, { files: ['audio_file'], query: 'wins' });
  const asked = parseFields(asrFieldsSchema, form.fields);
  const format = requestedFormat(asked.output_format || asked.output, 'output_format');
  const defaults = defaultJobOptions(await models.resolve(asked.model));
  const diarize = !isFilmTrack(asked.encode, format.name);
  const options = withWebserviceOptions({ ...defaults, diarize }, asked);
  const file = takeRecording(form, ['audio_file']);
  // These callers give a recording up after a few quick refusals: they wait in the queue instead.
  const answer = await answers.transcribe(request, reply, { file, options, dialect: 'asr' }, { waitInQueue: true });
  if (answer === undefined) return reply;
  const { transcript } = answer;
  reply.headers(warningsHeader(transcript));
  if (format.name === 'json') {
    const body = renderAsr(transcript, {
      textAsSegments: asked.text_as_segments === true,
      speakerEmbeddings: options.speakerEmbeddings,
    });
    return reply.type('application/json; charset=utf-8').send(JSON.stringify(body));
  }
  return reply
    .type(format.name === 'srt' ? SRT_CONTENT_TYPE : format.contentType)
    .header('content-disposition', attachmentOf(file.name, format.extension))
    .send(format.render(transcript, { recordingName: file.name }));
}

/** Bazarr and the clients of whisper-asr-webservice know subtitles as plain text. */
const SRT_CONTENT_TYPE = 'text/plain; charset=utf-8';

/**
 * Bazarr sends the bare samples of a film for subtitles and says nothing of speakers: labels would stand in the picture,
 * and whisper-asr-webservice, which it was written for, has none unless they are asked for.
 */
function isFilmTrack(encode: boolean | undefined, format: FormatName): boolean {
  return encode === false && (format === 'srt' || format === 'vtt');
}
