import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { errorWithoutRecordingPath } from '../../../core/recording-path.ts';
import { lookAtRecording } from '../../recording-field.ts';
import type { ServerContext } from '../../types.ts';
import { parseFields } from '../../webservice-options.ts';
import { renderDetectedLanguage } from './render.ts';
import { type AsrDetectedLanguage, detectLanguageFieldsSchema } from './schemas.ts';

/** `POST /detect-language`: no job, for the engine takes it before what waits and the recording goes with the answer. */
export async function detectLanguage(
  request: FastifyRequest,
  { uploads, models, engines }: ServerContext,
): Promise<AsrDetectedLanguage> {
  await using form = await uploads.read(request, { files: ['audio_file'], query: 'wins' });
  const asked = parseFields(detectLanguageFieldsSchema, form.fields);
  const model = await models.resolve(asked.model);
  const { path } = lookAtRecording(form, ['audio_file']);
  const format = asked.encode === false ? { format: 's16le' as const } : {};
  const voice = { id: randomUUID(), path, ...format };
  try {
    return renderDetectedLanguage(await engines.detectLanguage(request, model, voice));
  } catch (error) {
    throw errorWithoutRecordingPath(error, path);
  }
}
