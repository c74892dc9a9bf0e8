import { describe, expect, it } from 'vitest';
import { DiaristError } from './errors.ts';
import { errorWithoutRecordingPath, withoutRecordingPath } from './recording-path.ts';

const path = '/data/jobs/job_1/recording';

describe('withoutRecordingPath', () => {
  it.each([
    [`"${path}" is empty (0 bytes).`, 'The recording is empty (0 bytes).'],
    [`ffmpeg is needed to read "${path}" now.`, 'ffmpeg is needed to read the recording now.'],
    [`It failed. "${path}" is cut off; see ${path}.`, 'It failed. The recording is cut off; see the recording.'],
    ['Nothing of the kind.', 'Nothing of the kind.'],
  ])('turns %j into %j', (message, expected) => {
    expect(withoutRecordingPath(message, path)).toBe(expected);
  });
});

describe('errorWithoutRecordingPath', () => {
  it('keeps code, field and cause', () => {
    const error = new DiaristError('input_empty', `"${path}" is empty.`, { param: 'file' });
    expect(errorWithoutRecordingPath(error, path)).toMatchObject({
      code: 'input_empty',
      param: 'file',
      message: 'The recording is empty.',
      cause: error,
    });
  });

  it('leaves other errors alone', () => {
    const other = new TypeError(path);
    expect(errorWithoutRecordingPath(other, path)).toBe(other);
  });
});
