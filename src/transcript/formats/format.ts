import type { Transcript } from '../types.ts';

export const FORMAT_NAMES = ['json', 'srt', 'vtt', 'tsv', 'txt', 'rttm'] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];

export interface RenderOptions {
  /** Say who speaks, where the transcript knows. Default true. */
  readonly speakers?: boolean;
  /** Mark each word while it is spoken (srt, vtt). Default false. */
  readonly highlightWords?: boolean;
  /** Write times before each line (txt). Default false. */
  readonly times?: boolean;
  /** Columns a subtitle line may take; a Chinese character counts two. Default 42. */
  readonly maxLineWidth?: number;
  /** Lines a subtitle may take. Default 2. */
  readonly maxLines?: number;
  /** Name of the recording (rttm). Default `recording`. */
  readonly recordingName?: string;
}

/** A format a transcript can be written in, and read back from as far as the format carries it. */
export interface TranscriptFormat<Parsed> {
  readonly name: FormatName;
  /** File extension without the dot. */
  readonly extension: string;
  readonly contentType: string;
  render(transcript: Transcript, options?: RenderOptions): string;
  /** Reads what {@link render} writes, and the format as others write it. Throws `input_unreadable`. */
  parse(text: string): Parsed;
}

/** A subtitle as read from a file: lines joined by `\n`. */
export interface ParsedCue {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly speaker?: string;
}

/** A line of text with a time and a speaker where the file has them. */
export interface ParsedLine {
  readonly start?: number;
  readonly end?: number;
  readonly text: string;
  readonly speaker?: string;
}
