import { editDistance } from '../core/edit-distance.ts';
import { DiaristError } from '../core/errors.ts';
import { FORMAT_NAMES, type FormatName, type RenderOptions, type TranscriptFormat } from './formats/format.ts';
import { json } from './formats/json.ts';
import { rttm } from './formats/rttm.ts';
import { srt } from './formats/srt.ts';
import { tsv } from './formats/tsv.ts';
import { txt } from './formats/txt.ts';
import { vtt } from './formats/vtt.ts';
import type { Transcript } from './types.ts';

export { FORMAT_NAMES, type FormatName, type RenderOptions };

const FORMATS: { readonly [Name in FormatName]: TranscriptFormat<unknown> } = { json, srt, vtt, tsv, txt, rttm };

/** Other names people use for the formats. */
const ALIASES: Readonly<Record<string, FormatName>> = { text: 'txt', webvtt: 'vtt', subrip: 'srt' };

/**
 * Format of a name, without regard to case or a leading dot. Throws `unknown_format`, which names the nearest one and
 * lists all.
 */
export function findFormat(name: string): TranscriptFormat<unknown> {
  const wanted = name.trim().toLowerCase().replace(/^\./, '');
  const known =
    FORMAT_NAMES.find((format) => format === wanted) ?? (Object.hasOwn(ALIASES, wanted) ? ALIASES[wanted] : undefined);
  if (known !== undefined) return FORMATS[known];
  const nearest = [...FORMAT_NAMES].sort((a, b) => editDistance(wanted, a) - editDistance(wanted, b))[0]!;
  const guess = editDistance(wanted, nearest) < nearest.length ? `did you mean ${nearest}? ` : '';
  throw new DiaristError(
    'unknown_format',
    `There is no format "${name}": ${guess}${guess === '' ? 'use' : 'There are'} ${FORMAT_NAMES.slice(0, -1).join(', ')} and ${FORMAT_NAMES.at(-1)}.`,
  );
}

/** The transcript as text of the named format. Throws `unknown_format`. */
export function renderTranscript(transcript: Transcript, format: string, options: RenderOptions = {}): string {
  return findFormat(format).render(transcript, options);
}
