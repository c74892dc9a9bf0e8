import { DiaristError } from './errors.ts';

/**
 * A message about a recording without the path of the server's own copy, which means nothing to a client: `"/data/…/7" is
 * empty` becomes `The recording is empty`.
 */
export function withoutRecordingPath(message: string, path: string): string {
  return message
    .replaceAll(`"${path}"`, path)
    .split(path)
    .reduce((text, rest) => text + (text === '' || /[.!?]\s$/.test(text) ? 'The recording' : 'the recording') + rest);
}

/** The error as a client may read it: see {@link withoutRecordingPath}. What is no {@link DiaristError} stays as it is. */
export function errorWithoutRecordingPath(error: unknown, path: string): unknown {
  if (!(error instanceof DiaristError) || !error.message.includes(path)) return error;
  return new DiaristError(error.code, withoutRecordingPath(error.message, path), {
    cause: error,
    ...(error.param !== undefined && { param: error.param }),
  });
}
