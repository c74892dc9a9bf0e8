import { DiaristError, ERROR_CATALOGUE, type ErrorCode } from '../../core/errors.ts';
import { errorReply } from '../error-replies.ts';
import type { Envelope } from '../types.ts';

/** An error of each status that a client can meet, as an example. */
const EXAMPLES: readonly { readonly error: DiaristError; readonly when: 'always' | 'body' | 'key' }[] = [
  {
    when: 'body',
    error: new DiaristError('input_undecodable', 'failed to decode audio: the file holds no audio that ffmpeg knows.'),
  },
  {
    when: 'key',
    error: new DiaristError('unauthorized', 'An API key is needed: send it as "Authorization: Bearer KEY".'),
  },
  { when: 'key', error: new DiaristError('forbidden', 'The API key has not the scope audio:stt.') },
  {
    when: 'body',
    error: new DiaristError('input_too_large', 'The recording is larger than the 2048 MB that this server takes.'),
  },
  {
    when: 'body',
    error: new DiaristError('strict_degraded', 'Speakers could not be told apart: leave strict away to get the words.'),
  },
  { when: 'key', error: new DiaristError('rate_limited', 'More than 60 requests a minute: wait a little.') },
  { when: 'always', error: new DiaristError('internal', '') },
  { when: 'body', error: new DiaristError('queue_full', 'The queue is full: try again soon.') },
  { when: 'body', error: new DiaristError('disk_full', 'The disk of the server is full: free some space there.') },
];

/** Responses of a route that fails, by status, in the form that `@fastify/swagger` takes. */
export function errorResponses(
  envelope: Envelope,
  route: { readonly takesBody: boolean; readonly needsKey: boolean },
): Record<string, unknown> {
  const met = EXAMPLES.filter(
    ({ when }) => when === 'always' || (when === 'body' && route.takesBody) || (when === 'key' && route.needsKey),
  );
  return Object.fromEntries(
    met.map(({ error }) => [
      error.httpStatus,
      {
        description: `Codes: ${codesOf(error.httpStatus).join(', ')}.`,
        content: {
          'application/json': {
            schema: { ...envelopeSchema(envelope), examples: [errorReply(error, envelope, 'c0ffee').body] },
          },
        },
      },
    ]),
  );
}

function codesOf(status: number): string[] {
  return (Object.keys(ERROR_CATALOGUE) as ErrorCode[]).filter((code) => ERROR_CATALOGUE[code].httpStatus === status);
}

function envelopeSchema(envelope: Envelope): Record<string, unknown> {
  const error = {
    type: 'object',
    required: ['message', 'type', 'param', 'code'],
    properties: {
      message: { type: 'string', description: 'One sentence that says what to do.' },
      type: { type: 'string' },
      param: { type: ['string', 'null'], description: 'Field that is wrong.' },
      code: { type: 'string' },
    },
  };
  return envelope === 'asr'
    ? { type: 'object', required: ['detail', 'error'], properties: { detail: { type: 'string' }, error } }
    : { type: 'object', required: ['error'], properties: { error } };
}
