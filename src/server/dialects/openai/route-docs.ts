import type { RouteShorthandOptions } from 'fastify';
import { z } from 'zod';
import { asyncResponse } from '../../openapi/async-response.ts';
import { failure } from '../../openapi/failure-response.ts';
import { formBody } from '../../openapi/form-body.ts';
import { inputAudioShape } from './input-audio.ts';
import {
  diarizedTranscriptionSchema,
  jsonTranscriptionSchema,
  modelSchema,
  streamEventSchema,
  transcriptionFieldsSchema,
  transcriptionListShape,
  translationFieldsSchema,
  verboseTranscriptionSchema,
} from './schemas.ts';

const tags = ['OpenAI'];
const files = { file: 'The recording, in any format that ffmpeg reads.' };
const transcriptionFields = transcriptionFieldsSchema.extend(transcriptionListShape);
const textBodies = {
  'text/plain': { schema: z.string().meta({ description: 'text and srt.' }) },
  'text/vtt': { schema: z.string() },
};

export const transcriptionDocs: RouteShorthandOptions = {
  config: {
    form: formBody(transcriptionFields, { files, json: transcriptionFields.extend(inputAudioShape) }),
  },
  schema: {
    tags,
    summary: 'Transcribe a recording',
    description:
      'Beside OpenAI’s fields it takes those of Mistral and openasr. Warnings stand in "warnings" of JSON bodies, and their codes in the header X-Diarist-Warnings of every answer in one piece.',
    response: {
      200: {
        description: 'The transcript, in the format that was asked for.',
        content: {
          'application/json': {
            schema: z.union([jsonTranscriptionSchema, verboseTranscriptionSchema, diarizedTranscriptionSchema]),
          },
          ...textBodies,
          'text/event-stream': { schema: streamEventSchema },
        },
      },
      202: asyncResponse,
    },
  },
};

export const translationDocs: RouteShorthandOptions = {
  config: {
    form: formBody(translationFieldsSchema, { files, json: translationFieldsSchema.extend(inputAudioShape) }),
  },
  schema: {
    tags,
    summary: 'Translate a recording into English',
    response: {
      200: {
        description: 'The English text, in the format that was asked for.',
        content: {
          'application/json': { schema: z.union([jsonTranscriptionSchema, verboseTranscriptionSchema]) },
          ...textBodies,
        },
      },
      202: asyncResponse,
    },
  },
};

export const discoveryDocs = {
  models: {
    schema: {
      tags,
      summary: 'List the models',
      response: { 200: z.object({ object: z.literal('list'), data: z.array(modelSchema) }) },
    },
  },
  audioModels: {
    schema: {
      tags,
      summary: 'List the models, as Open WebUI asks for them',
      response: { 200: z.object({ models: z.array(z.object({ id: z.string() })) }) },
    },
  },
  voices: {
    schema: {
      tags,
      summary: 'List the voices: there are none',
      response: { 200: z.object({ voices: z.array(z.object({ id: z.string(), name: z.string() })) }) },
    },
  },
} satisfies Record<string, RouteShorthandOptions>;

export const modelDocs: RouteShorthandOptions = {
  schema: {
    tags,
    summary: 'Show a model',
    params: z.object({ id: z.string().meta({ description: 'Id of the model; it may have slashes.' }) }),
    response: { 200: modelSchema, 404: failure('There is no such model.') },
  },
};

export const speechDocs: RouteShorthandOptions = {
  config: { scope: 'audio:tts' },
  schema: {
    tags,
    summary: 'Speak a text: there is no voice here',
    response: { 501: failure('This server has no voice of its own.') },
  },
};
