import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { PassThrough, pipeline, type Readable, Transform, type TransformCallback } from 'node:stream';
import { DiaristError } from '../../core/errors.ts';
import type { SpooledFile } from '../../jobs/types.ts';

/** A longer string of a JSON body goes to disk: only recordings are so long. */
const LONG_STRING_BYTES = 256 * 1024;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** A JSON text whose long strings stand in files, and a placeholder, itself valid base64, in the place of each. */
export interface SplitJson {
  readonly text: string;
  /** By placeholder; the files hold the strings as they stood in the text, with their escapes. */
  readonly files: ReadonlyMap<string, SpooledFile>;
}

export interface SplitOptions {
  /** Longest text that is left. */
  readonly maxTextBytes: number;
  /** Writes a stream to a file. */
  readonly save: (source: Readable) => Promise<SpooledFile>;
  /** Told of every file as soon as there is one, so that it can be removed if the rest fails. */
  readonly onFile: (placeholder: string, file: SpooledFile) => void;
}

/** Reads a JSON body without ever holding a long string of it. Throws `input_too_large`, or what saving throws. */
export async function splitLongStrings(body: Readable, options: SplitOptions): Promise<SplitJson> {
  const splitter = new Splitter(options);
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) await splitter.take(chunk);
  } catch (error) {
    await splitter.abandon();
    throw error;
  }
  return splitter.finish();
}

class Splitter {
  readonly #options: SplitOptions;
  readonly #kept: Buffer[] = [];
  #keptBytes = 0;
  readonly #files = new Map<string, SpooledFile>();
  #inString = false;
  #escaped = false;
  #string: Buffer[] = [];
  #stringBytes = 0;
  #sink: PassThrough | undefined;
  #saved: Promise<SpooledFile> | undefined;

  constructor(options: SplitOptions) {
    this.#options = options;
  }

  async take(chunk: Buffer): Promise<void> {
    let position = 0;
    while (position < chunk.length) {
      if (this.#inString) {
        const end = this.#endOfString(chunk, position);
        await this.#addToString(chunk.subarray(position, end < 0 ? chunk.length : end));
        if (end < 0) return;
        await this.#closeString();
        position = end + 1;
      } else {
        const quote = chunk.indexOf(QUOTE, position);
        this.#keep(chunk.subarray(position, quote < 0 ? chunk.length : quote + 1));
        if (quote < 0) return;
        this.#inString = true;
        position = quote + 1;
      }
    }
  }

  async finish(): Promise<SplitJson> {
    if (this.#sink !== undefined) {
      await this.abandon();
      throw new DiaristError('invalid_request', 'The JSON body is cut off: send it whole.');
    }
    this.#keep(Buffer.concat(this.#string));
    return { text: Buffer.concat(this.#kept).toString('utf8'), files: this.#files };
  }

  /** Ends a file that is being written, which removes it. */
  async abandon(): Promise<void> {
    this.#sink?.destroy(new Error('The body ended before its string.'));
    await this.#saved?.catch(() => {});
  }

  /** Position of the quote that ends the string, or -1 where the chunk ends before. */
  #endOfString(chunk: Buffer, from: number): number {
    let position = from;
    while (position < chunk.length) {
      if (this.#escaped) {
        this.#escaped = false;
        position++;
        continue;
      }
      const quote = chunk.indexOf(QUOTE, position);
      const part = quote < 0 ? chunk.subarray(position) : chunk.subarray(position, quote);
      const backslash = part.indexOf(BACKSLASH);
      if (backslash < 0) return quote;
      this.#escaped = true;
      position += backslash + 1;
    }
    return -1;
  }

  async #addToString(piece: Buffer): Promise<void> {
    this.#stringBytes += piece.length;
    if (this.#sink === undefined && this.#stringBytes <= LONG_STRING_BYTES) {
      this.#string.push(piece);
      return;
    }
    if (this.#sink === undefined) {
      this.#sink = new PassThrough();
      this.#saved = this.#options.save(this.#sink);
      // Whoever waits for the whole string hears of a failure; until then nobody does.
      this.#saved.catch((error: Error) => this.#sink?.destroy(error));
      for (const earlier of this.#string) await this.#write(earlier);
      this.#string = [];
    }
    await this.#write(piece);
  }

  async #write(piece: Buffer): Promise<void> {
    const sink = this.#sink!;
    if (sink.destroyed) await this.#saved;
    else if (!sink.write(piece)) await Promise.race([once(sink, 'drain'), this.#saved]);
  }

  async #closeString(): Promise<void> {
    if (this.#sink === undefined) this.#keep(Buffer.concat(this.#string));
    else {
      this.#sink.end();
      const file = await this.#saved!;
      const placeholder = randomBytes(PLACEHOLDER_BYTES).toString('base64');
      this.#files.set(placeholder, file);
      this.#options.onFile(placeholder, file);
      this.#keep(Buffer.from(placeholder));
    }
    this.#string = [];
    this.#stringBytes = 0;
    this.#sink = undefined;
    this.#saved = undefined;
    this.#inString = false;
    this.#keep(Buffer.from('"'));
  }

  #keep(piece: Buffer): void {
    this.#keptBytes += piece.length;
    if (this.#keptBytes > this.#options.maxTextBytes) {
      throw new DiaristError(
        'input_too_large',
        `The body is larger than ${this.#options.maxTextBytes} bytes beside its recording: send fewer or shorter fields.`,
      );
    }
    this.#kept.push(piece);
  }
}

/** 24 bytes are 32 letters of base64 without padding. */
const PLACEHOLDER_BYTES = 24;

/** The string of a file as JSON means it. */
export async function readLongString(file: SpooledFile): Promise<string> {
  return JSON.parse(`"${await readFile(file.path, 'utf8')}"`) as string;
}

/** The bytes that the base64 string of a file stands for, whatever the line breaks; a data URL is base64 as well. */
export function decodeLongString(file: SpooledFile): Readable {
  // A failure destroys both, and is heard of by whoever reads the bytes.
  return pipeline(createReadStream(file.path, { encoding: 'latin1' }), base64Decoder(), () => {});
}

const GROUP_LETTERS = 4;
const DATA_URL = /^data:[^,]{0,200},/;

function base64Decoder(): Transform {
  let isFirst = true;
  let left = '';
  const decode = (text: string, isLast: boolean): Buffer => {
    const given = left + text;
    // The other half of an escape comes with the next chunk.
    const half = !isLast && given.endsWith('\\') ? '\\' : '';
    const whole = given.slice(0, given.length - half.length);
    const letters = (isFirst ? whole.replace(DATA_URL, '') : whole)
      .replaceAll(/\\[nrt]|\s/g, '')
      .replaceAll('\\/', '/');
    isFirst = false;
    const end = isLast ? letters.length : letters.length - (letters.length % GROUP_LETTERS);
    left = letters.slice(end) + half;
    const taken = letters.slice(0, end);
    if (/[^A-Za-z0-9+/=_-]/.test(taken)) {
      throw new DiaristError('invalid_request', 'The recording in the JSON body is no base64: encode its bytes so.');
    }
    return Buffer.from(taken, 'base64');
  };
  return new Transform({
    decodeStrings: false,
    transform(chunk: string, _encoding, done: TransformCallback) {
      try {
        done(null, decode(chunk, false));
      } catch (error) {
        done(error as Error);
      }
    },
    flush(done) {
      try {
        done(null, decode('', true));
      } catch (error) {
        done(error as Error);
      }
    },
  });
}
