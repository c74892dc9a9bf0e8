import type { FastifyError } from 'fastify';
import { DiaristError, type ErrorCode, toDiaristError } from '../core/errors.ts';
import type { Envelope } from './types.ts';

/** What is sent to a client whose request failed. */
export interface ErrorReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** True where the log must say more than the client hears. */
  readonly unexpected: boolean;
}

/** Clients refuse or ignore longer waits: openai-python gives up above 60, openai-node falls back to its own back-off. */
const LONGEST_RETRY_AFTER_SECONDS = 60;
const RETRY_AFTER_SECONDS: Partial<Record<ErrorCode, number>> = { queue_full: 15, shutting_down: 10, rate_limited: 5 };

/**
 * Speakr re-encodes a recording and tries once more when it reads these words.
 * Source: Speakr, src/tasks/processing.py.
 */
const UNDECODABLE_WORDS = 'failed to decode audio';

/** Turns whatever a route threw into the catalogue; what is in it already passes through. */
export function toRequestError(error: unknown): DiaristError {
  if (error instanceof DiaristError) return error;
  const { statusCode, validation, message, code } = (error ?? {}) as Partial<FastifyError>;
  const issues = (error as { issues?: readonly Issue[] } | undefined)?.issues;
  if (Array.isArray(issues)) return fromIssue(issues[0], error);
  if (Array.isArray(validation)) return fromIssue(firstIssue(validation[0]), error);
  if (typeof code === 'string' && code.startsWith('FST_') && statusCode !== undefined && statusCode < 500) {
    const catalogueCode = statusCode === 413 ? 'input_too_large' : 'invalid_request';
    return new DiaristError(catalogueCode, `The request cannot be read: ${sentence(message ?? code)}`, {
      cause: error,
    });
  }
  return toDiaristError(error);
}

/**
 * The reply to an error. Types follow OpenAI's; `invalid_request_error` stands only where trying again is useless,
 * because Speakr gives a recording up when it reads these words.
 */
export function errorReply(error: DiaristError, envelope: Envelope, requestId: string): ErrorReply {
  const unexpected = error.code === 'internal';
  const message = unexpected
    ? `Something went wrong inside the server; its log says more under the request id ${requestId}.`
    : messageOf(error);
  const payload = { message, type: errorType(error), param: error.param ?? null, code: error.code };
  const body = envelope === 'asr' ? { detail: message, error: payload } : { error: payload };
  return { status: error.httpStatus, headers: retryHeaders(error), body, unexpected };
}

function messageOf(error: DiaristError): string {
  const speaksOfDecoding = error.message.toLowerCase().includes(UNDECODABLE_WORDS);
  return error.code === 'input_undecodable' && !speaksOfDecoding
    ? `${UNDECODABLE_WORDS}: ${error.message}`
    : error.message;
}

function errorType(error: DiaristError): string {
  const status = error.httpStatus;
  if (status === 401) return 'authentication_error';
  if (status === 409) return 'conflict_error';
  if (status === 429) return 'rate_limit_error';
  if (status === 503) return 'overloaded_error';
  if (status >= 500 || error.retryable || error.code === 'cancelled') return 'server_error';
  return 'invalid_request_error';
}

function retryHeaders(error: DiaristError): Record<string, string> {
  const headers: Record<string, string> = { 'x-should-retry': String(error.retryable) };
  if (error.retryable && (error.httpStatus === 429 || error.httpStatus >= 500)) {
    const seconds = RETRY_AFTER_SECONDS[error.code] ?? LONGEST_RETRY_AFTER_SECONDS;
    headers['retry-after'] = String(seconds);
  }
  if (error.code === 'unauthorized') headers['www-authenticate'] = 'Bearer realm="diarist"';
  return headers;
}

/** What zod says is wrong; only the parts that are used. */
interface Issue {
  readonly message?: string;
  readonly path?: readonly PropertyKey[];
}

function fromIssue(issue: Issue | undefined, cause: unknown): DiaristError {
  const param = issue?.path?.map(String).join('.');
  const what = sentence(issue?.message ?? 'not valid');
  const message = param ? `${param}: ${what}` : `The request is not valid: ${what}`;
  return new DiaristError('invalid_request', message, { cause, ...(param && { param }) });
}

function firstIssue(validation: unknown): Issue | undefined {
  const { params, message, instancePath } = (validation ?? {}) as {
    params?: { issue?: Issue };
    message?: string;
    instancePath?: string;
  };
  if (params?.issue !== undefined) return params.issue;
  const path = instancePath?.split('/').filter(Boolean);
  return { ...(message !== undefined && { message }), ...(path && { path }) };
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
