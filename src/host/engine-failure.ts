import { DiaristError } from '../core/errors.ts';
import type { EngineEnd } from './engine-process.ts';

/** The error that a request gets when its engine process ended like this and it will not be tried again. */
export function failureOfEnd(end: EngineEnd): DiaristError {
  switch (end.kind) {
    case 'closed':
      return new DiaristError('cancelled', 'The engine was closed before this recording was done.');
    case 'startup':
      return end.error;
    case 'memory':
      return new DiaristError(
        'engine_out_of_memory',
        `The engine needed more than the ${gigabytes(end.limitBytes)} of memory that it may use: allow more with DIARIST_MEMORY_LIMIT, or choose a smaller --model, fewer --threads or a smaller --batch-size.`,
      );
    case 'hang':
      return new DiaristError(
        'engine_timeout',
        `The engine gave no sign of life for ${end.seconds} s and was ended: try again, and raise DIARIST_HANG_SECONDS if this machine is very busy.`,
      );
    case 'stall':
      return new DiaristError(
        'engine_timeout',
        `The engine made no progress for ${end.seconds} s and was ended: try again with a smaller --model, or raise DIARIST_STALL_SECONDS if this machine is slow.`,
      );
    case 'killed':
      return new DiaristError(
        'engine_killed',
        'The engine was killed twice from outside (SIGKILL) while it worked on this recording: see what ends processes here, such as a memory guard, and try again.',
      );
    case 'crash':
      return new DiaristError(
        'engine_crashed',
        `The engine stopped twice on this recording (${howItEnded(end)}): run \`diarist doctor\`, and where memory is short choose a smaller --model.`,
        { cause: new Error(end.lastWords) },
      );
  }
}

/** Half a sentence for people, such as `killed by SIGKILL`. */
export function howItEnded(end: EngineEnd): string {
  switch (end.kind) {
    case 'closed':
      return 'closed';
    case 'startup':
      return 'could not start';
    case 'memory':
      return `needed ${gigabytes(end.residentBytes)} of memory`;
    case 'hang':
      return 'no sign of life';
    case 'stall':
      return 'no progress';
    case 'killed':
      return 'killed by SIGKILL';
    case 'crash':
      return end.signal !== null ? `killed by ${end.signal}` : `exit code ${end.exitCode ?? 'unknown'}`;
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(bytes < 1e9 ? 2 : 1)} GB`;
}
