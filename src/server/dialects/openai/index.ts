import type { FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import { z } from 'zod';
import { DiaristError } from '../../../core/errors.ts';
import type { Transcript } from '../../../transcript/types.ts';
import type { Dialect } from '../../types.ts';
import { findModel, modelBody } from './models.ts';
import { discoveryDocs, modelDocs, speechDocs, transcriptionDocs, translationDocs } from './route-docs.ts';
import { type DeploymentParams, transcribe } from './transcribe.ts';

/**
 * OpenAI's audio API, below `/v1` and without it, and the paths that Azure gives to the same: what its SDKs, Open WebUI,
 * Home Assistant, Speakr and LiteLLM call. The paths without `/v1` are the same routes and stay out of the documentation.
 */
export const openaiDialect: Dialect = (app, context) => {
  const { models, config } = context;

  const addRecordingRoutes = (task: Transcript['task'], path: string, docs: RouteShorthandOptions): void => {
    const handler = (
      request: FastifyRequest<{ Params: DeploymentParams }>,
      reply: FastifyReply,
    ): Promise<FastifyReply> => transcribe(task, request, reply, context);
    app.post<{ Params: DeploymentParams }>(`/v1${path}`, docs, handler);
    app.post<{ Params: DeploymentParams }>(path, handler);
    const deployment = z.object({
      deployment: z.string().meta({ description: 'Model; any other name is the default.' }),
    });
    const azureDocs = { ...docs, schema: { ...docs.schema, params: deployment } };
    app.post<{ Params: DeploymentParams }>(`/openai/deployments/:deployment${path}`, azureDocs, handler);
  };
  addRecordingRoutes('transcribe', '/audio/transcriptions', transcriptionDocs);
  addRecordingRoutes('translate', '/audio/translations', translationDocs);

  const open = config.settings.openDiscovery ? { scope: null } : {};
  for (const prefix of ['/v1', '']) {
    const hide = prefix === '';
    const documented = (docs: RouteShorthandOptions, own = {}): RouteShorthandOptions => ({
      config: { ...docs.config, ...own },
      ...(!hide && docs.schema !== undefined && { schema: docs.schema }),
    });
    app.get(`${prefix}/models`, documented(discoveryDocs.models, open), async () => ({
      object: 'list',
      data: (await models.list()).map(modelBody),
    }));
    app.get<{ Params: { id: string } }>(`${prefix}/models/:id`, documented(modelDocs), ({ params }) =>
      findModel(models, params.id),
    );
    // An id may have slashes: `org/name`.
    app.get<{ Params: { '*': string } }>(`${prefix}/models/*`, ({ params }) => findModel(models, params['*']));
    app.get(`${prefix}/audio/models`, documented(discoveryDocs.audioModels, open), async () => ({
      models: (await models.list()).map(({ id }) => ({ id })),
    }));
    app.get(`${prefix}/audio/voices`, documented(discoveryDocs.voices, open), async () => ({ voices: [] }));
    app.post(`${prefix}/audio/speech`, documented(speechDocs), refuseSpeech);
  }
};

async function refuseSpeech(): Promise<never> {
  throw new DiaristError(
    'not_implemented',
    'This server turns speech into text and has no voice of its own: send text to a server for speech synthesis.',
  );
}
