import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { DiaristError } from '../../core/errors.ts';
import type { Form, FormOptions, Uploads } from '../types.ts';
import { readText } from './body-text.ts';
import { writeToDisk } from './file-sink.ts';
import { decodeLongString, readLongString, type SplitJson, splitLongStrings } from './long-strings.ts';
import { ReceivedForm } from './received-form.ts';

export interface UploadLimits {
  /** Folder of received files. */
  readonly folder: string;
  /** Largest file; 0 means any. */
  readonly maxFileBytes: number;
  readonly maxFieldBytes: number;
  readonly maxFields: number;
}

/** Most files that one request may bring: a recording and a few that belong to it. */
const MAX_FILES = 8;
/** Text is held in memory: so many of the longest fields may come together. A few voices as data URLs fit. */
const MAX_LONG_FIELDS = 8;
const MAX_FIELD_NAME_BYTES = 200;
const MAX_PART_HEADERS = 32;
/** Base64 makes four letters of three bytes; line breaks with their escapes are a few more. */
const MOST_BASE64_GROWTH = 1.5;

/** Receives bodies of every kind that clients send, files straight to disk. */
export class RequestUploads implements Uploads {
  readonly #limits: UploadLimits;

  constructor(limits: UploadLimits) {
    this.#limits = limits;
  }

  async read(request: FastifyRequest, options: FormOptions): Promise<Form> {
    const form = new ReceivedForm();
    try {
      await this.#readBody(request, form, options);
      if (options.query === 'wins') form.override(queryForm(request));
      form.adoptLoneFile(options.files);
      return form;
    } catch (error) {
      await form[Symbol.asyncDispose]();
      throw bodyError(error, request);
    }
  }

  async #readBody(request: FastifyRequest, form: ReceivedForm, options: FormOptions): Promise<void> {
    const type = mediaType(request.headers['content-type']);
    if (type === 'multipart/form-data') await this.#readMultipart(request, form);
    else if (type === 'application/x-www-form-urlencoded') {
      for (const [name, value] of new URLSearchParams(await this.#text(request))) form.addField(name, value);
    } else if (type === 'application/json' || type.endsWith('+json')) await this.#readJson(request, form, options);
    else if (/^(audio|video)\/|^application\/octet-stream$/.test(type)) {
      const field = options.files[0];
      if (field !== undefined) form.addFile(field, await this.#save(request.raw, field));
    } else if (hasBody(request)) {
      throw new DiaristError(
        'invalid_request',
        'The body must be multipart/form-data, application/json or application/x-www-form-urlencoded: set Content-Type.',
      );
    }
  }

  async #readMultipart(request: FastifyRequest, form: ReceivedForm): Promise<void> {
    const { maxFieldBytes, maxFields } = this.#limits;
    const parts = request.parts({
      limits: {
        // Counted while the file is written, so that the error is ours and names the limit.
        fileSize: Number.MAX_SAFE_INTEGER,
        fieldNameSize: MAX_FIELD_NAME_BYTES,
        fieldSize: maxFieldBytes,
        fields: maxFields,
        files: MAX_FILES,
        parts: maxFields + MAX_FILES,
        headerPairs: MAX_PART_HEADERS,
      },
    });
    let textBytes = 0;
    for await (const part of parts) {
      if (part.type === 'file') {
        const file = await this.#save(part.file, part.filename ?? part.fieldname);
        try {
          form.addFile(part.fieldname, file);
        } catch (error) {
          form.addFile(`refused-${randomUUID()}`, file);
          throw error;
        }
      } else if (part.valueTruncated) {
        throw fieldTooLong(part.fieldname, maxFieldBytes);
      } else {
        // The plugin parses parts that call themselves JSON; a field is text here.
        const value = typeof part.value === 'string' ? part.value : JSON.stringify(part.value);
        textBytes += Buffer.byteLength(value);
        if (textBytes > MAX_LONG_FIELDS * maxFieldBytes) throw tooMuchText(MAX_LONG_FIELDS * maxFieldBytes);
        form.addField(part.fieldname, value);
      }
    }
  }

  async #readJson(request: FastifyRequest, form: ReceivedForm, options: FormOptions): Promise<void> {
    const { folder, maxFileBytes, maxFieldBytes } = this.#limits;
    // Its long strings are files for the time of this call; as a form of their own they are removed whatever happens.
    await using strings = new ReceivedForm();
    const { text, files } = await splitLongStrings(request.raw, {
      maxTextBytes: maxFieldBytes,
      save: (source) => writeToDisk(source, 'string', { folder, maxBytes: maxFileBytes * MOST_BASE64_GROWTH }),
      onFile: (placeholder, file) => {
        strings.addFile(placeholder, file);
        // The recording is one of them.
        if (strings.files.size > 1 + MAX_LONG_FIELDS) throw tooMuchText(MAX_LONG_FIELDS * maxFieldBytes);
      },
    });
    const body = parseJson(text);
    const read = options.json?.(body) ?? { fields: plainFields(body) };
    for (const [name, value] of Object.entries(read.fields)) {
      for (const one of Array.isArray(value) ? value : [value]) {
        const long = files.get(one);
        refuseNestedLongStrings(name, long === undefined ? one : '', files);
        if (long !== undefined && long.bytes > maxFieldBytes) throw fieldTooLong(name, maxFieldBytes);
        form.addField(name, long === undefined ? one : await readLongString(long));
      }
    }
    const field = options.files[0];
    if (read.audio === undefined || field === undefined) return;
    const long = files.get(read.audio.base64);
    const bytes =
      long === undefined ? Readable.from([Buffer.from(read.audio.base64, 'base64')]) : decodeLongString(long);
    form.addFile(field, await this.#save(bytes, read.audio.name));
  }

  #text(request: FastifyRequest): Promise<string> {
    return readText(request.raw, this.#limits.maxFieldBytes);
  }

  #save(source: NodeJS.ReadableStream, name: string) {
    return writeToDisk(source, name, { folder: this.#limits.folder, maxBytes: this.#limits.maxFileBytes });
  }
}

/** A dialect gets a long string back where it is a field; within a name or an object there would be its placeholder. */
function refuseNestedLongStrings(name: string, value: string, files: SplitJson['files']): void {
  for (const placeholder of files.keys()) {
    if (name.includes(placeholder)) {
      throw new DiaristError(
        'invalid_request',
        'A field of the JSON body has a name that is far too long: shorten it.',
      );
    }
    if (value.includes(placeholder)) {
      throw new DiaristError(
        'invalid_request',
        `${name} has a very long text inside of it: shorten that, or send it as a field of its own.`,
        { param: name },
      );
    }
  }
}

function fieldTooLong(name: string, maxBytes: number): DiaristError {
  return new DiaristError('input_too_large', `${name} is longer than ${maxBytes} bytes: shorten it.`, { param: name });
}

function tooMuchText(maxBytes: number): DiaristError {
  return new DiaristError(
    'input_too_large',
    `The fields hold more than ${maxBytes} bytes of text together: send fewer or shorter ones.`,
  );
}

function mediaType(header: string | undefined): string {
  return (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

function hasBody(request: FastifyRequest): boolean {
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

function queryForm(request: FastifyRequest): ReceivedForm {
  const form = new ReceivedForm();
  const start = request.url.indexOf('?');
  if (start >= 0) {
    for (const [name, value] of new URLSearchParams(request.url.slice(start + 1))) form.addField(name, value);
  }
  return form;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new DiaristError('invalid_request', 'The body is no valid JSON: check it for a missing quote or comma.', {
      cause: error,
    });
  }
}

/** Fields of a JSON object that are texts, numbers, switches or lists of them; null means not given. */
function plainFields(body: unknown): Record<string, string | string[]> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new DiaristError('invalid_request', 'The body must be a JSON object with the fields of the request.');
  }
  const fields: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(body)) {
    if (value === null || value === undefined) continue;
    fields[name] = Array.isArray(value) ? value.map(plainText) : plainText(value);
  }
  return fields;
}

function plainText(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Errors of the parser and of the connection, as errors of the request. */
function bodyError(error: unknown, request: FastifyRequest): unknown {
  if (error instanceof DiaristError) return error;
  if (request.raw.destroyed && !request.raw.complete) {
    return new DiaristError('cancelled', 'The client hung up before it had sent the whole request.', { cause: error });
  }
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'FST_FIELDS_LIMIT' || code === 'FST_PARTS_LIMIT' || code === 'FST_FILES_LIMIT') {
    return new DiaristError('input_too_large', 'The request has too many fields or files: send fewer.', {
      cause: error,
    });
  }
  if (code?.startsWith('FST_') || MALFORMED.test(message ?? '')) {
    return new DiaristError(
      'invalid_request',
      'The multipart body is broken (a missing or wrong boundary, cut off, or a malformed part): send it again as multipart/form-data.',
      { cause: error },
    );
  }
  return error;
}

/**
 * What the multipart parser says of bodies that are none; the needle is a boundary that is empty or too long. Source:
 * @fastify/busboy, lib/types/multipart.js and deps/streamsearch.
 */
const MALFORMED = /multipart|boundary|part terminated|malformed|unexpected end|the needle/i;
