import { connect } from 'node:net';
import type { RawRequest } from './mutations.ts';

export interface RawAnswer {
  /** 0 where the server hung up without an answer. */
  readonly status: number;
  readonly head: string;
}

/**
 * Sends a request as it is, byte for byte, and reads the head of the answer. Rejects after `patienceMs` without answer or
 * end.
 */
export function sendRaw(server: string, route: string, request: RawRequest, patienceMs: number): Promise<RawAnswer> {
  const { hostname, port } = new URL(server);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let received = '';
    const done = (act: () => void): void => {
      clearTimeout(timer);
      socket.destroy();
      act();
    };
    const timer = setTimeout(
      () => done(() => reject(new Error(`No answer within ${patienceMs / 1000} s.`))),
      patienceMs,
    );
    const answer = (): void => {
      // What comes before the answer proper: 100 Continue.
      const final = received.replace(/^(HTTP\/1\.1 1\d\d[\s\S]*?\r\n\r\n)+/, '');
      const end = final.indexOf('\r\n\r\n');
      if (end < 0) return;
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(final)?.[1] ?? 0);
      done(() => resolve({ status, head: final.slice(0, end) }));
    };
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      received += text;
      answer();
    });
    // A server may hang up on what is no HTTP while it is still being sent.
    socket.on('error', () => done(() => resolve({ status: 0, head: '' })));
    socket.on('close', () => done(() => resolve({ status: 0, head: '' })));
    const head = [`POST ${route} HTTP/1.1`, `Host: ${hostname}:${port}`, ...request.headers, '', ''].join('\r\n');
    socket.write(head);
    // Node's server takes a half-closed connection for one that was given up.
    if (request.endsEarly) socket.end(request.body);
    else socket.write(request.body);
  });
}
