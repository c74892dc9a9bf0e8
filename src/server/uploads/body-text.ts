import type { Readable } from 'node:stream';
import { DiaristError } from '../../core/errors.ts';

/** The whole of a small body as text. Throws `input_too_large` beyond `maxBytes`. */
export async function readText(body: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new DiaristError(
        'input_too_large',
        `The body is larger than ${maxBytes} bytes, without a file in it: send the recording as multipart/form-data.`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
