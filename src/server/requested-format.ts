import { DiaristError } from '../core/errors.ts';
import { findFormat } from '../transcript/formats.ts';

/** Format that a field asks for; json where it is absent or empty. Throws `unknown_format` that names the field. */
export function requestedFormat(name: string | undefined, field: string): ReturnType<typeof findFormat> {
  try {
    return findFormat(name || 'json');
  } catch (error) {
    if (!(error instanceof DiaristError)) throw error;
    throw new DiaristError(error.code, error.message, { cause: error, param: field });
  }
}
