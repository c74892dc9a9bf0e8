import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DiaristError } from '../core/errors.ts';
import { errorReply, toRequestError } from './error-replies.ts';
import { drainBody } from './uploads/body-drain.ts';

/** Answers whatever fails in the envelope of the route, in a form that clients of both families read. */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler(sendError);
}

/** Sends an error; the rest of the body is read first, because a client that is still sending hears nothing. */
export async function sendError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const error = toRequestError(thrown);
  const { status, headers, body, unexpected } = errorReply(
    error,
    request.routeOptions?.config?.envelope ?? 'openai',
    request.id,
  );
  if (unexpected) request.log.error({ err: thrown }, 'unexpected failure');
  request.errorCode = error.code;
  if (!(await drainBody(request.raw))) reply.header('connection', 'close');
  for (const [name, value] of Object.entries(headers)) {
    if (!reply.hasHeader(name)) reply.header(name, value);
  }
  // A dialect may have set the type of its own format before it failed.
  await reply.code(status).type('application/json; charset=utf-8').send(body);
}

const BAD_REQUEST_SENTENCES: Readonly<Record<string, readonly [number, string, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'The request took too long to arrive: send it again.'],
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'The headers are too long: shorten them.'],
};

/** Answers what is no HTTP at all, where no request exists yet. */
export function answerMalformed(error: FastifyError | NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, reason, message] = BAD_REQUEST_SENTENCES[error.code ?? ''] ?? [
    400,
    'Bad Request',
    'This is no valid HTTP request: check the client and the address.',
  ];
  const code = status === 408 ? 'request_timeout' : 'invalid_request';
  const { body, headers } = errorReply(new DiaristError(code, message), 'openai', '-');
  const text = JSON.stringify(body);
  const lines = [
    `HTTP/1.1 ${status} ${reason}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${text}`);
}
