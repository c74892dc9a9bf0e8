import { z } from 'zod';

/** How a form is documented. */
export interface FormDocs {
  readonly fields: z.ZodObject;
  /** What each file field is for, the most wanted first. Only the first is part of the documentation as required. */
  readonly files: Readonly<Record<string, string>>;
  /** Every field may stand in the query as well. */
  readonly query: boolean;
  /** A JSON body is understood, too: with the same fields, or with those of a schema of its own. */
  readonly json: boolean | z.ZodObject;
  readonly fileRequired: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Form of the route, for the documentation: see {@link formBody}. */
    form?: FormDocs;
    /** Query parameters of a route that parses them itself, for the documentation. */
    query?: z.ZodObject;
  }
}

/**
 * Documents the body of a route that reads it with `uploads.read`, from the schema that its fields are parsed with:
 *
 *     app.post(
 *       '/asr',
 *       {
 *         config: { envelope: 'asr', form: formBody(asrFieldsSchema, { files: { audio_file: 'The recording.' }, query: true }) },
 *         schema: { tags: ['whisper webservice'], summary: 'Transcribe', response: { 200: asrTranscriptSchema } },
 *       },
 *       handler,
 *     );
 *
 * Nothing is validated by it. `schema.response` documents only, as well; errors are added to every route. A GET route
 * documents what it reads from the query with `config: { query: schema }`.
 */
export function formBody(
  fields: z.ZodObject,
  options: {
    readonly files?: Readonly<Record<string, string>>;
    readonly query?: boolean;
    readonly json?: boolean | z.ZodObject;
    /** False where the file may be left out, e.g. because a URL stands for it. */
    readonly fileRequired?: boolean;
  } = {},
): FormDocs {
  return {
    fields,
    files: options.files ?? {},
    query: options.query === true,
    json: options.json ?? false,
    fileRequired: options.fileRequired !== false,
  };
}

/** JSON Schema (2020-12) of an object, or of one of its properties. */
export interface ObjectSchema {
  readonly type: 'object';
  readonly properties: Record<string, Record<string, unknown>>;
  readonly required?: readonly string[];
}

/** What a client sends, as JSON Schema. */
export function inputSchema(fields: z.ZodObject): ObjectSchema {
  const {
    $schema: _,
    additionalProperties: __,
    ...schema
  } = z.toJSONSchema(fields, {
    io: 'input',
    unrepresentable: 'any',
  });
  return { properties: {}, ...schema } as unknown as ObjectSchema;
}

/** Form and files of a route, as JSON Schema of its body. */
export function bodySchema({ fields, files, fileRequired }: FormDocs): ObjectSchema {
  const { properties, required = [] } = inputSchema(fields);
  const [wanted] = Object.keys(files);
  const binary = Object.entries(files).map(([name, description]) => [
    name,
    { type: 'string', format: 'binary', contentMediaType: 'application/octet-stream', description },
  ]);
  return {
    type: 'object',
    properties: { ...Object.fromEntries(binary), ...properties },
    required: wanted !== undefined && fileRequired ? [wanted, ...required] : required,
  };
}
