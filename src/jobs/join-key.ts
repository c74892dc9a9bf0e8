import { createHash } from 'node:crypto';
import type { KnownSpeaker } from '../pipeline/types.ts';
import type { JobOptions } from './types.ts';

/**
 * The same text for the same recording with the same options, whatever order they were named in. `recording` is the
 * SHA-256 of the bytes, or a URL. Voices are what they were computed from, where that is known.
 */
export function joinKey(recording: string, options: JobOptions): string {
  return createHash('sha256')
    .update(JSON.stringify([recording, sorted({ ...options, knownSpeakers: options.knownSpeakers?.map(voiceOf) })]))
    .digest('hex');
}

/** Embeddings that are computed anew for a retry need not have the same bits. */
function voiceOf({ name, embedding, reference }: KnownSpeaker): unknown {
  return reference === undefined ? { name, embedding } : { name, reference };
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, field]) => [name, sorted(field)]),
  );
}
