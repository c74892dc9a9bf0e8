import { DiaristError } from '../core/errors.ts';

/**
 * Writes a result to standard output and waits until it is taken. A reader that closed the pipe early (`| head`) wanted
 * no more: that is no failure. Throws `disk_full` or `output_unwritable`.
 */
export function writeToStandardOutput(text: string): Promise<void> {
  return new Promise((settle, fail) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      if (error.code === 'EPIPE') settle();
      else if (error.code === 'ENOSPC') {
        fail(new DiaristError('disk_full', 'The disk is full where standard output goes: free some space there.'));
      } else {
        fail(
          new DiaristError('output_unwritable', `Standard output cannot be written to (${error.code}): use -o DIR.`, {
            cause: error,
          }),
        );
      }
    };
    process.stdout.on('error', onError);
    process.stdout.write(text, (error) => {
      if (error) onError(error);
      else settle();
    });
  });
}
