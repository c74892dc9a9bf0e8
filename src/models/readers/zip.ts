import { createReadStream, createWriteStream } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib';
import { corruptFile, RangeFile } from './range-file.ts';

export interface ZipEntry {
  readonly name: string;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly crc: number;
  /** Where the entry's local header starts. */
  readonly headerOffset: number;
}

const END_SIGNATURE = 0x06054b50;
const ZIP64_LOCATOR_SIGNATURE = 0x07064b50;
const ZIP64_END_SIGNATURE = 0x06064b50;
const DIRECTORY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const MAX_COMMENT_BYTES = 65_535;
const ZIP64_EXTRA = 1;
const SATURATED_32 = 0xffffffff;
const SATURATED_16 = 0xffff;

const viewOf = (bytes: Uint8Array<ArrayBuffer>): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * A zip archive (torch checkpoints, Python wheels), read by its central directory, zip64 included. Source: PKWARE
 * APPNOTE 6.3.
 */
export class ZipFile {
  readonly file: RangeFile;
  readonly entries: ReadonlyMap<string, ZipEntry>;

  /** Throws `model_corrupt` where the file is not a whole zip archive. */
  constructor(path: string) {
    this.file = new RangeFile(path);
    try {
      this.entries = readDirectory(this.file);
    } catch (error) {
      this.file.close();
      throw error;
    }
  }

  /** Where the (compressed) bytes of an entry start. The local header's own lengths count: torch pads there to align. */
  dataOffset(entry: ZipEntry): number {
    const header = viewOf(this.file.read(entry.headerOffset, 30));
    if (header.getUint32(0, true) !== LOCAL_SIGNATURE)
      throw corruptFile(this.file.path, `"${entry.name}" is misplaced`);
    const start = entry.headerOffset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
    if (start + entry.compressedBytes > this.file.size) {
      throw corruptFile(this.file.path, `it was cut short inside "${entry.name}"`);
    }
    return start;
  }

  /** The whole entry, unpacked and checked; for small entries. */
  read(entry: ZipEntry): Uint8Array<ArrayBuffer> {
    const stored = this.file.read(this.dataOffset(entry), entry.compressedBytes);
    const bytes = entry.method === 0 ? stored : this.#inflate(entry, stored);
    if (bytes.length !== entry.bytes || crc32(bytes) !== entry.crc) {
      throw corruptFile(this.file.path, `"${entry.name}" does not have the checksum it should`);
    }
    return bytes;
  }

  #inflate(entry: ZipEntry, stored: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (entry.method !== 8) throw corruptFile(this.file.path, `"${entry.name}" is packed in an unknown way`);
    try {
      return new Uint8Array(inflateRawSync(stored, { maxOutputLength: Math.max(1, entry.bytes) }));
    } catch (error) {
      throw corruptFile(this.file.path, `"${entry.name}" cannot be unpacked`, error);
    }
  }

  /** Streams an entry into `target` (appending where `append` is set), checked on the way. */
  async extract(
    entry: ZipEntry,
    target: string,
    options: { append?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    if (entry.method !== 0 && entry.method !== 8) {
      throw corruptFile(this.file.path, `"${entry.name}" is packed in an unknown way`);
    }
    const start = this.dataOffset(entry);
    let written = 0;
    let checksum = 0;
    const check = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        written += chunk.length;
        checksum = crc32(chunk, checksum);
        done(null, chunk);
      },
    });
    const input =
      entry.compressedBytes === 0
        ? Readable.from([])
        : createReadStream(this.file.path, { start, end: start + entry.compressedBytes - 1 });
    const output = createWriteStream(target, { flags: options.append === true ? 'a' : 'w' });
    const signal = options.signal === undefined ? {} : { signal: options.signal };
    try {
      if (entry.method === 8) await pipeline(input, createInflateRaw(), check, output, signal);
      else await pipeline(input, check, output, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code?.startsWith('Z_') === true) {
        throw corruptFile(this.file.path, `"${entry.name}" cannot be unpacked`, error);
      }
      throw error;
    }
    if (written !== entry.bytes || checksum !== entry.crc) {
      throw corruptFile(this.file.path, `"${entry.name}" does not have the checksum it should`);
    }
  }

  close(): void {
    this.file.close();
  }
}

/** True where the file starts like a zip archive. */
export function startsLikeZip(file: RangeFile): boolean {
  return file.size >= 4 && viewOf(file.read(0, 4)).getUint32(0, true) === LOCAL_SIGNATURE;
}

function readDirectory(file: RangeFile): Map<string, ZipEntry> {
  const { count, offset, length } = locateDirectory(file);
  const bytes = file.read(offset, length);
  const view = viewOf(bytes);
  const text = new TextDecoder();
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== DIRECTORY_SIGNATURE) {
      throw corruptFile(file.path, 'its table of contents is broken');
    }
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const next = at + 46 + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (next > bytes.length) throw corruptFile(file.path, 'its table of contents is broken');
    const name = text.decode(bytes.subarray(at + 46, at + 46 + nameBytes));
    const extra = viewOf(bytes.subarray(at + 46 + nameBytes, at + 46 + nameBytes + extraBytes));
    entries.set(name, directoryEntry(name, view, at, extra));
    at = next;
  }
  return entries;
}

function directoryEntry(name: string, view: DataView, at: number, extra: DataView): ZipEntry {
  let bytes = view.getUint32(at + 24, true);
  let compressedBytes = view.getUint32(at + 20, true);
  let headerOffset = view.getUint32(at + 42, true);
  let field = 0;
  while (field + 4 <= extra.byteLength) {
    const id = extra.getUint16(field, true);
    const size = extra.getUint16(field + 2, true);
    if (id === ZIP64_EXTRA) {
      // Only the values that did not fit stand in the extra field, in this order.
      let value = field + 4;
      const end = Math.min(value + size, extra.byteLength);
      const take = (fallback: number): number => {
        if (fallback !== SATURATED_32 || value + 8 > end) return fallback;
        value += 8;
        return Number(extra.getBigUint64(value - 8, true));
      };
      bytes = take(bytes);
      compressedBytes = take(compressedBytes);
      headerOffset = take(headerOffset);
    }
    field += 4 + size;
  }
  return {
    name,
    method: view.getUint16(at + 10, true),
    compressedBytes,
    bytes,
    crc: view.getUint32(at + 16, true),
    headerOffset,
  };
}

function locateDirectory(file: RangeFile): { count: number; offset: number; length: number } {
  const tailBytes = Math.min(file.size, END_BYTES + MAX_COMMENT_BYTES);
  const tailStart = file.size - tailBytes;
  const tail = viewOf(file.read(tailStart, tailBytes));
  let end = tailBytes - END_BYTES;
  while (end >= 0 && tail.getUint32(end, true) !== END_SIGNATURE) end--;
  if (end < 0) throw corruptFile(file.path, 'it is not a whole zip archive');
  const count = tail.getUint16(end + 10, true);
  const length = tail.getUint32(end + 12, true);
  const offset = tail.getUint32(end + 16, true);
  if (count !== SATURATED_16 && length !== SATURATED_32 && offset !== SATURATED_32) return { count, offset, length };
  const locatorStart = tailStart + end - LOCATOR_BYTES;
  if (locatorStart < 0) throw corruptFile(file.path, 'its zip64 part is missing');
  const locator = viewOf(file.read(locatorStart, LOCATOR_BYTES));
  // Without a locator the saturated values may be meant as they are.
  if (locator.getUint32(0, true) !== ZIP64_LOCATOR_SIGNATURE) return { count, offset, length };
  const end64 = viewOf(file.read(Number(locator.getBigUint64(8, true)), 56));
  if (end64.getUint32(0, true) !== ZIP64_END_SIGNATURE) throw corruptFile(file.path, 'its zip64 part is broken');
  return {
    count: Number(end64.getBigUint64(32, true)),
    length: Number(end64.getBigUint64(40, true)),
    offset: Number(end64.getBigUint64(48, true)),
  };
}
