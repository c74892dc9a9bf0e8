import type { Transcript } from '../transcript/types.ts';

/** Codes of the transcript's warnings, for the answers whose body has no place for them. */
export function warningsHeader(transcript: Transcript): { 'x-diarist-warnings'?: string } {
  const codes = [...new Set(transcript.warnings.map(({ code }) => code))];
  return codes.length === 0 ? {} : { 'x-diarist-warnings': codes.join(', ') };
}
