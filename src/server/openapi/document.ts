import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance, type FastifySchema } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { VERSION } from '../version.ts';
import { errorResponses } from './error-responses.ts';
import { bodySchema, type FormDocs, inputSchema } from './form-body.ts';

const DESCRIPTION = [
  'Who said what, and when. Every request that transcribes is a durable job: its id is in the header `X-Diarist-Job`,',
  '`Prefer: respond-async` answers 202 at once, and the same bytes with the same options are not worked on twice.',
].join(' ');

/**
 * The OpenAPI document of the routes that `register` adds, as JSON, from the schemas that they parse with. Made on an app
 * of its own, so that the server pays for it only when somebody asks.
 */
export async function describeRoutes(register: (app: FastifyInstance) => Promise<void>): Promise<string> {
  const app = fastify();
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  await collectRoutes(app);
  await register(app);
  await app.ready();
  const document = JSON.stringify(app.swagger());
  await app.close();
  return document;
}

async function collectRoutes(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Diarist',
        version: VERSION,
        description: DESCRIPTION,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/' }],
      tags: TAGS,
      security: [{ bearer: [] }, { apiKey: [] }, { azureKey: [] }, {}],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
          azureKey: { type: 'apiKey', in: 'header', name: 'api-key' },
        },
      },
    },
    transform: (document) => {
      const { schema, url, route } = document;
      const described = schema as FastifySchema | undefined;
      if (described === undefined || described.hide === true) return { schema: { hide: true }, url };
      const transformed = jsonSchemaTransform(document) as { schema: FastifySchema & Extra; url: string };
      const { form, query, envelope, scope } = route.config ?? {};
      if (form !== undefined) documentForm(transformed.schema, form);
      if (query !== undefined) transformed.schema.querystring = inputSchema(query);
      if (scope === null) transformed.schema.security = [{}];
      transformed.schema.response = {
        ...errorResponses(envelope ?? 'openai', { takesBody: form !== undefined, needsKey: scope !== null }),
        ...(transformed.schema.response as object | undefined),
      };
      return transformed;
    },
  });
}

interface Extra {
  consumes?: readonly string[];
  security?: readonly Readonly<Record<string, readonly string[]>>[];
}

const TAGS = [
  { name: 'OpenAI', description: 'The audio API of OpenAI; every path works without /v1 as well.' },
  { name: 'whisper webservice', description: 'The API of whisper-asr-webservice and whisperx-asr-service.' },
  { name: 'speakers', description: 'Blocks of text by speaker, in one call.' },
  { name: 'jobs', description: 'Durable jobs: progress, events, transcripts in any format.' },
  { name: 'operations', description: 'Health, readiness and metrics.' },
];

function documentForm(schema: FastifySchema & Extra, form: FormDocs): void {
  const body = bodySchema(form);
  if (typeof form.json === 'object') {
    schema.body = {
      content: { 'multipart/form-data': { schema: body }, 'application/json': { schema: inputSchema(form.json) } },
    };
  } else {
    schema.body = body;
    schema.consumes = ['multipart/form-data', ...(form.json ? ['application/json'] : [])];
  }
  if (form.query) schema.querystring = inputSchema(form.fields);
}
