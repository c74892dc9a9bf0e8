import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { DiaristError } from '../../core/errors.ts';

/** The error for a weight file whose bytes make no sense; `why` completes the sentence in brackets. */
export function corruptFile(path: string, why: string, cause?: unknown): DiaristError {
  return new DiaristError(
    'model_corrupt',
    `The model file ${path} is damaged (${why}); fetch it again with "diarist models pull", or replace it.`,
    { cause },
  );
}

/** A file read by byte ranges, so that a checkpoint of several gigabytes is never held whole. */
export class RangeFile {
  readonly path: string;
  readonly size: number;
  #descriptor: number | null;

  /** Throws `model_missing` where the file cannot be opened. */
  constructor(path: string) {
    this.path = path;
    try {
      this.#descriptor = openSync(path, 'r');
    } catch (error) {
      throw new DiaristError('model_missing', `The model file ${path} cannot be opened; check that it exists.`, {
        cause: error,
      });
    }
    const stat = fstatSync(this.#descriptor);
    if (!stat.isFile()) {
      this.close();
      throw new DiaristError('model_unsupported', `${path} is not a file; give the model's folder or its weight file.`);
    }
    this.size = stat.size;
  }

  /** Reads exactly `length` bytes at `offset`; throws `model_corrupt` where the file ends before that. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer> {
    if (this.#descriptor === null) throw new DiaristError('internal', `${this.path} was read after it was closed.`);
    if (offset < 0 || length < 0 || offset + length > this.size) {
      throw corruptFile(
        this.path,
        `it ends at byte ${this.size}, and ${length} bytes should stand at byte ${offset}: it was cut short`,
      );
    }
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      // One read call of the operating system returns at most 2 GiB.
      const count = readSync(this.#descriptor, bytes, done, Math.min(length - done, 1 << 30), offset + done);
      if (count === 0) throw corruptFile(this.path, 'it became shorter while it was read');
      done += count;
    }
    return bytes;
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}
