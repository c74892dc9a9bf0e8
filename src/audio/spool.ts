import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { toDiaristError } from '../core/errors.ts';

const BYTES_PER_SAMPLE = 2;

/** Writes a spool file: 16 kHz mono s16le without a header. */
export class SpoolWriter {
  readonly path: string;
  readonly #handle: FileHandle;
  #samples = 0;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Creates or empties the file. Throws `output_unwritable` where that is not possible, `disk_full` where no room is left. */
  static async create(path: string): Promise<SpoolWriter> {
    try {
      return new SpoolWriter(path, await open(path, 'w'));
    } catch (error) {
      throw toDiaristError(error, 'output_unwritable');
    }
  }

  /** Samples written so far; a reader by path can see all of them. */
  get samples(): number {
    return this.#samples;
  }

  /** Throws `disk_full` where no room is left. */
  async append(chunk: Int16Array): Promise<void> {
    let bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    try {
      while (bytes.length > 0) {
        const { bytesWritten } = await this.#handle.write(bytes);
        bytes = bytes.subarray(bytesWritten);
      }
    } catch (error) {
      throw toDiaristError(error, 'output_unwritable');
    }
    this.#samples += chunk.length;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** Closes and removes the file. A path that is no regular file (a device, a pipe) is left where it is. */
  async discard(): Promise<void> {
    const regular = (await this.#handle.stat()).isFile();
    await this.#handle.close();
    if (regular) await rm(this.path, { force: true });
  }
}

/**
 * Random access to decoded audio on disk: 16 kHz mono. Opened by path, from any thread or process, also while the file is
 * still being written; reads are synchronous and hold nothing but the samples asked for.
 */
export class AudioSpool {
  readonly path: string;
  #descriptor: number | undefined;
  #bytes = new Int16Array(0);

  private constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  static open(path: string): AudioSpool {
    try {
      return new AudioSpool(path, openSync(path, 'r'));
    } catch (error) {
      throw toDiaristError(error, 'input_unreadable');
    }
  }

  /** Samples on disk at this moment; grows while decoding goes on. */
  get samples(): number {
    return Math.floor(fstatSync(this.#open()).size / BYTES_PER_SAMPLE);
  }

  /**
   * Samples `startSample` to `startSample + count` in [-1, 1); zeros stand before the beginning and beyond the end.
   * `Float32Array`, [count]. A given `target` is filled from its start and its first `count` values are returned.
   */
  read(startSample: number, count: number, target?: Float32Array): Float32Array {
    const result = target ? target.subarray(0, count) : new Float32Array(count);
    if (result.length < count) throw new RangeError('AudioSpool.read: the target is too small');
    const lead = Math.min(count, Math.max(0, -startSample));
    const wanted = count - lead;
    if (this.#bytes.length < wanted) this.#bytes = new Int16Array(wanted);
    const got = this.#fill(this.#bytes, startSample + lead, wanted);
    for (let i = 0; i < got; i++) result[lead + i] = this.#bytes[i]! / 32_768;
    result.fill(0, 0, lead);
    result.fill(0, lead + got);
    return result;
  }

  close(): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #fill(buffer: Int16Array, startSample: number, count: number): number {
    let done = 0;
    const total = count * BYTES_PER_SAMPLE;
    while (done < total) {
      const position = startSample * BYTES_PER_SAMPLE + done;
      const read = readSync(this.#open(), buffer, done, total - done, position);
      if (read === 0) break;
      done += read;
    }
    return Math.floor(done / BYTES_PER_SAMPLE);
  }

  #open(): number {
    if (this.#descriptor === undefined) throw new Error('AudioSpool: read after close');
    return this.#descriptor;
  }
}
