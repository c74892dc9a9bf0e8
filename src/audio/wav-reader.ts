import type { FileHandle } from 'node:fs/promises';

/** What a WAV file says about its samples. */
export interface WavFormat {
  readonly encoding: 'unsigned' | 'signed' | 'float' | 'alaw' | 'ulaw';
  readonly bytesPerSample: number;
  readonly channels: number;
  readonly sampleRate: number;
  readonly dataOffset: number;
  readonly dataBytes: number;
  /** Bytes that the header promises beyond the end of the file: the file was cut off. */
  readonly missingBytes: number;
}

/** Sizes from here on are what recorders and pipes write that do not know the length; RF64 keeps the real one elsewhere. */
const UNSET_LENGTH = 0x7fffffff;
const BLOCK_BYTES = 1 << 18;

/**
 * Reads the header of a RIFF, RF64 or BW64 WAVE file with PCM (8 to 32 bit), float (32, 64 bit), A-law or mu-law samples.
 * Undefined where the file is something else or damaged. A data size that was never filled in means "to the end of the
 * file", as recorders that were switched off leave it.
 */
export async function readWavHeader(file: FileHandle): Promise<WavFormat | undefined> {
  const { size } = await file.stat();
  const head = await readBytes(file, 0, 12);
  if (head.length < 12 || !['RIFF', 'RF64', 'BW64'].includes(ascii(head, 0)) || ascii(head, 8) !== 'WAVE')
    return undefined;
  let format: Pick<WavFormat, 'encoding' | 'bytesPerSample' | 'channels' | 'sampleRate'> | undefined;
  for (let at = 12; at + 8 <= size; ) {
    const chunk = await readBytes(file, at, 8);
    if (chunk.length < 8) return undefined;
    const length = chunk.getUint32(4);
    if (ascii(chunk, 0) === 'fmt ') {
      format = parseFormat(await readBytes(file, at + 8, Math.min(length, 40)));
      if (!format) return undefined;
    }
    if (ascii(chunk, 0) === 'data') {
      if (!format) return undefined;
      const dataOffset = at + 8;
      const rest = size - dataOffset;
      const unset = length === 0 || length >= UNSET_LENGTH;
      const dataBytes = unset ? rest : Math.min(length, rest);
      const frameBytes = format.bytesPerSample * format.channels;
      return {
        ...format,
        dataOffset,
        dataBytes: dataBytes - (dataBytes % frameBytes),
        missingBytes: unset ? 0 : length - dataBytes,
      };
    }
    at += 8 + length + (length % 2);
  }
  return undefined;
}

/** Samples in [-1, 1), channels interleaved, block by block. */
export async function* readWavSamples(file: FileHandle, format: WavFormat): AsyncGenerator<Float32Array> {
  const frameBytes = format.bytesPerSample * format.channels;
  const blockBytes = Math.max(1, Math.floor(BLOCK_BYTES / frameBytes)) * frameBytes;
  const decode = sampleDecoder(format);
  const end = format.dataOffset + format.dataBytes;
  for (let at = format.dataOffset; at < end; at += blockBytes) {
    const view = await readBytes(file, at, Math.min(blockBytes, end - at));
    const count = Math.floor(view.length / format.bytesPerSample);
    const samples = new Float32Array(count);
    for (let i = 0; i < count; i++) samples[i] = decode(view, i * format.bytesPerSample);
    yield samples;
    if (view.length < Math.min(blockBytes, end - at)) return;
  }
}

/** A little-endian view on bytes that knows how many were really read. */
class Bytes {
  readonly length: number;
  readonly #view: DataView;

  constructor(buffer: Uint8Array) {
    this.length = buffer.length;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  getUint8 = (at: number): number => this.#view.getUint8(at);
  getUint16 = (at: number): number => this.#view.getUint16(at, true);
  getUint32 = (at: number): number => this.#view.getUint32(at, true);
  getInt16 = (at: number): number => this.#view.getInt16(at, true);
  getInt32 = (at: number): number => this.#view.getInt32(at, true);
  getFloat32 = (at: number): number => this.#view.getFloat32(at, true);
  getFloat64 = (at: number): number => this.#view.getFloat64(at, true);
  getInt24 = (at: number): number => this.#view.getUint8(at) | (this.#view.getInt16(at + 1, true) << 8);
}

async function readBytes(file: FileHandle, position: number, length: number): Promise<Bytes> {
  const buffer = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return new Bytes(buffer.subarray(0, done));
}

function ascii(bytes: Bytes, at: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => bytes.getUint8(at + i)));
}

function parseFormat(
  fmt: Bytes,
): Pick<WavFormat, 'encoding' | 'bytesPerSample' | 'channels' | 'sampleRate'> | undefined {
  if (fmt.length < 16) return undefined;
  const extensible = fmt.getUint16(0) === 0xfffe && fmt.length >= 40;
  // The sub-format's GUID of an extensible header begins with the plain format code.
  const code = extensible ? fmt.getUint16(24) : fmt.getUint16(0);
  const channels = fmt.getUint16(2);
  const sampleRate = fmt.getUint32(4);
  const bits = fmt.getUint16(14);
  const bytesPerSample = bits / 8;
  if (channels === 0 || sampleRate < 1000 || sampleRate > 1_000_000) return undefined;
  const sample = (encoding: WavFormat['encoding']) => ({ encoding, bytesPerSample, channels, sampleRate });
  if (code === 1 && bits === 8) return sample('unsigned');
  if (code === 1 && [16, 24, 32].includes(bits)) return sample('signed');
  if (code === 3 && [32, 64].includes(bits)) return sample('float');
  if (code === 6 && bits === 8) return sample('alaw');
  if (code === 7 && bits === 8) return sample('ulaw');
  return undefined;
}

function sampleDecoder(format: WavFormat): (bytes: Bytes, at: number) => number {
  switch (format.encoding) {
    case 'unsigned':
      return (bytes, at) => (bytes.getUint8(at) - 128) / 128;
    case 'float':
      return format.bytesPerSample === 4 ? (bytes, at) => bytes.getFloat32(at) : (bytes, at) => bytes.getFloat64(at);
    case 'alaw':
      return (bytes, at) => decodeALaw(bytes.getUint8(at)) / 32_768;
    case 'ulaw':
      return (bytes, at) => decodeMuLaw(bytes.getUint8(at)) / 32_768;
    case 'signed':
      if (format.bytesPerSample === 2) return (bytes, at) => bytes.getInt16(at) / 2 ** 15;
      if (format.bytesPerSample === 3) return (bytes, at) => bytes.getInt24(at) / 2 ** 23;
      return (bytes, at) => bytes.getInt32(at) / 2 ** 31;
  }
}

/** ITU-T G.711, A-law to linear 16 bit. */
function decodeALaw(byte: number): number {
  const code = byte ^ 0x55;
  const exponent = (code & 0x70) >> 4;
  const mantissa = ((code & 0x0f) << 4) + 8;
  const magnitude = exponent === 0 ? mantissa : (mantissa + 0x100) << (exponent - 1);
  return code & 0x80 ? magnitude : -magnitude;
}

/** ITU-T G.711, mu-law to linear 16 bit. */
function decodeMuLaw(byte: number): number {
  const code = ~byte & 0xff;
  const exponent = (code & 0x70) >> 4;
  const magnitude = ((((code & 0x0f) << 3) + 0x84) << exponent) - 0x84;
  return code & 0x80 ? -magnitude : magnitude;
}
