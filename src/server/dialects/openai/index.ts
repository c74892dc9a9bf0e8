import type { FastifyReply, FastifyRequest } from 'fastify';
import { DiaristError } from '../../../core/errors.ts';
import type { Dialect } from '../../types.ts';
import { findModel, modelBody } from './models.ts';
import { type DeploymentParams, transcribe } from './transcribe.ts';

/**
 * OpenAI's audio API, below `/v1` and without it, and the paths that Azure gives to the same: what its SDKs, Open WebUI,
 * Home Assistant, Speakr and LiteLLM call.
 */
export const openaiDialect: Dialect = (app, context) => {
  const { models, config } = context;
  for (const task of ['transcribe', 'translate'] as const) {
    const path = task === 'transcribe' ? '/audio/transcriptions' : '/audio/translations';
    const answer = (
      request: FastifyRequest<{ Params: DeploymentParams }>,
      reply: FastifyReply,
    ): Promise<FastifyReply> => transcribe(task, request, reply, context);
    for (const prefix of ['/v1', '', '/openai/deployments/:deployment']) {
      app.post<{ Params: DeploymentParams }>(`${prefix}${path}`, answer);
    }
  }

  const discovery = config.settings.openDiscovery ? { scope: null } : {};
  for (const prefix of ['/v1', '']) {
    app.get(`${prefix}/models`, { config: discovery }, async () => ({
      object: 'list',
      data: (await models.list()).map(modelBody),
    }));
    // An id may have slashes: `org/name`.
    app.get<{ Params: { '*': string } }>(`${prefix}/models/*`, ({ params }) => findModel(models, params['*']));
    app.get(`${prefix}/audio/models`, { config: discovery }, async () => ({
      models: (await models.list()).map(({ id }) => ({ id })),
    }));
    app.get(`${prefix}/audio/voices`, { config: discovery }, async () => ({ voices: [] }));
    app.post(`${prefix}/audio/speech`, refuseSpeech);
  }
};

async function refuseSpeech(): Promise<never> {
  throw new DiaristError(
    'not_implemented',
    'This server turns speech into text and has no voice of its own: send text to a server for speech synthesis.',
  );
}
