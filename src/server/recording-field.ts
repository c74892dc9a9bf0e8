import { DiaristError } from '../core/errors.ts';
import type { SpooledFile } from '../jobs/types.ts';
import type { Form } from './types.ts';

/**
 * Hands over the recording that came under one of these names. To be called when nothing more can fail, for the file is
 * the caller's from then on. Throws `invalid_request` where there is none and `input_empty` where it has no bytes.
 */
export function takeRecording(form: Form, names: readonly [string, ...string[]]): SpooledFile {
  const name = recordingField(form, names);
  return form.take(name)!;
}

/** Looks at the recording and leaves it with the form, which removes it. Throws as {@link takeRecording} does. */
export function lookAtRecording(form: Form, names: readonly [string, ...string[]]): SpooledFile {
  return form.files.get(recordingField(form, names))!;
}

function recordingField(form: Form, names: readonly [string, ...string[]]): string {
  const name = names.find((one) => form.files.has(one));
  if (name === undefined) {
    throw new DiaristError('invalid_request', `Send the recording as the file ${names[0]} of multipart/form-data.`, {
      param: names[0],
    });
  }
  if (form.files.get(name)!.bytes === 0) {
    throw new DiaristError('input_empty', 'The file is empty: send a recording.', { param: name });
  }
  return name;
}
