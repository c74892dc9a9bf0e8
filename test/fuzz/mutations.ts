import type { SeededRandom } from '../seeded-random.ts';

/** Flips, cuts, doubles or moves bytes of a recording; what comes out may or may not still be one. */
export function mutatedAudio(original: Buffer, random: SeededRandom): Buffer {
  const bytes = Buffer.from(original);
  switch (random.below(6)) {
    case 0:
      // Headers are where a decoder believes what it reads.
      for (let flips = 1 + random.below(8); flips > 0; flips--)
        bytes[random.below(Math.min(128, bytes.length))] = random.below(256);
      return bytes;
    case 1:
      for (let flips = 1 + random.below(200); flips > 0; flips--) bytes[random.below(bytes.length)] = random.below(256);
      return bytes;
    case 2:
      return bytes.subarray(0, random.below(bytes.length));
    case 3:
      return bytes.subarray(random.below(bytes.length));
    case 4: {
      const from = random.below(bytes.length);
      return Buffer.concat([bytes.subarray(0, from), bytes.subarray(random.below(bytes.length))]);
    }
    default: {
      // A length of four bytes that says something else, in either byte order.
      const at = random.below(Math.max(1, Math.min(512, bytes.length - 4)));
      bytes.writeUInt32LE(random.pick([0, 1, 0x7f_ff_ff_ff, 0xff_ff_ff_ff, random.below(2 ** 32)]), at);
      return bytes;
    }
  }
}

export interface RawRequest {
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** True where less is sent than the headers promise: the client closes its side then. */
  readonly endsEarly: boolean;
}

const BOUNDARY = '----fuzzed-boundary';
const FIELDS = ['model', 'response_format', 'language', 'temperature', 'stream', 'diarize', 'output', 'file', 'prompt'];
const VALUES = [
  '',
  'base',
  'whisper-1',
  'json',
  'srt',
  'true',
  'NaN',
  '1e999',
  '-1',
  '\0',
  'ä'.repeat(50),
  '😀',
  '{',
  '[[[',
  '\r\n--',
];

/** A form with a recording, and something wrong with it. Without the request line; the headers end with none of `\r\n`. */
export function mutatedForm(audio: Buffer, random: SeededRandom): RawRequest {
  const parts: Buffer[] = [];
  for (let count = random.below(5); count > 0; count--) parts.push(fieldPart(random));
  parts.splice(random.below(parts.length + 1), 0, filePart(audio, random));
  if (random.next() < 0.2) parts.push(filePart(audio, random));
  if (random.next() < 0.1) parts.push(nestedPart(random));
  if (random.next() < 0.05) for (let count = 0; count < 400; count++) parts.push(fieldPart(random));
  let body = Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
  if (random.next() < 0.2) body = body.subarray(0, random.below(body.length));
  if (random.next() < 0.1) body = Buffer.concat([body, body]);
  if (random.next() < 0.1) body = Buffer.concat([Buffer.from('preamble without sense'), body]);
  const type = random.pick([
    `multipart/form-data; boundary=${BOUNDARY}`,
    `multipart/form-data; boundary=${BOUNDARY}`,
    `multipart/form-data; boundary="${BOUNDARY}"; charset=utf-8`,
    'multipart/form-data',
    'multipart/form-data; boundary=another',
    `multipart/form-data; boundary=${'x'.repeat(300)}`,
    'application/x-www-form-urlencoded',
    'application/json',
    'text/plain',
  ]);
  const headers = [`Content-Type: ${type}`, ...framing(body, random)];
  if (random.next() < 0.1) headers.push(`X-Long: ${'y'.repeat(random.below(60_000))}`);
  if (random.next() < 0.1) headers.push('Expect: 100-continue');
  const isChunked = headers.some((line) => line.startsWith('Transfer-Encoding'));
  const promised = Number(/^Content-Length: (\d+)$/m.exec(headers.join('\n'))?.[1] ?? 0);
  return { headers, body: isChunked ? chunked(body, random) : body, endsEarly: promised > body.length };
}

function fieldPart(random: SeededRandom): Buffer {
  const name = random.next() < 0.7 ? random.pick(FIELDS) : random.pick(VALUES);
  return part([`Content-Disposition: form-data; name="${name}"`], Buffer.from(random.pick(VALUES)), random);
}

function filePart(audio: Buffer, random: SeededRandom): Buffer {
  const field = random.pick(['file', 'audio_file', 'file', 'audio_file', '', 'other']);
  const name = random.pick(['a.wav', '../../../etc/passwd', 'a"b.wav', 'ä😀.mp3', '', 'n'.repeat(5000), 'a\0b', 'nul']);
  const headers = [`Content-Disposition: form-data; name="${field}"; filename="${name}"`];
  if (random.next() < 0.5) headers.push(`Content-Type: ${random.pick(['audio/wav', '', 'text/html', ';;;'])}`);
  if (random.next() < 0.2) headers.push(`Content-Transfer-Encoding: ${random.pick(['base64', 'binary', 'nonsense'])}`);
  if (random.next() < 0.1) headers.push(`X-Part: ${'z'.repeat(20_000)}`);
  return part(headers, random.next() < 0.1 ? Buffer.alloc(0) : audio, random);
}

function nestedPart(random: SeededRandom): Buffer {
  const inner = Buffer.concat([part(['Content-Disposition: file; filename="i.wav"'], Buffer.from('x'), random)]);
  return part(
    ['Content-Disposition: form-data; name="file"', `Content-Type: multipart/mixed; boundary=${BOUNDARY}`],
    inner,
    random,
  );
}

function part(headers: readonly string[], content: Buffer, random: SeededRandom): Buffer {
  const newline = random.next() < 0.05 ? '\n' : '\r\n';
  const head = `--${BOUNDARY}${newline}${headers.join(newline)}${newline}${newline}`;
  return Buffer.concat([Buffer.from(head), content, Buffer.from(newline)]);
}

/** How the length is told: right, chunked, or wrong. Too long a length leaves the server waiting for more. */
function framing(body: Buffer, random: SeededRandom): string[] {
  const dice = random.next();
  if (dice < 0.7) return [`Content-Length: ${body.length}`];
  if (dice < 0.85) return ['Transfer-Encoding: chunked'];
  if (dice < 0.9) return [`Content-Length: ${random.below(body.length + 1)}`];
  if (dice < 0.95) return [`Content-Length: ${body.length + 1 + random.below(1000)}`];
  return [random.pick(['Content-Length: -1', 'Content-Length: many', 'Content-Length: 5\r\nContent-Length: 7'])];
}

function chunked(body: Buffer, random: SeededRandom): Buffer {
  const pieces: Buffer[] = [];
  for (let from = 0; from < body.length; ) {
    const size = Math.min(body.length - from, 1 + random.below(65_536));
    pieces.push(Buffer.from(`${size.toString(16)}\r\n`), body.subarray(from, from + size), Buffer.from('\r\n'));
    from += size;
  }
  if (random.next() < 0.1) return Buffer.concat([...pieces, Buffer.from('zz\r\n')]);
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]);
}
