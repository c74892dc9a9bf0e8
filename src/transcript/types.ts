import type { Seconds } from '../core/units.ts';

/** One word with its time. `text` has no surrounding space; {@link Word.spaceBefore} says how it joins. */
export interface Word {
  readonly text: string;
  readonly start: Seconds;
  readonly end: Seconds;
  /** Mean probability of the word's tokens, 0 to 1. */
  readonly probability: number;
  readonly speaker?: string;
  /** False where the word follows the one before it without a space (zh, ja, th, lo, my …). Absent means true. */
  readonly spaceBefore?: boolean;
}

/** A stretch of speech of one speaker, short enough to read as one subtitle or paragraph. */
export interface Segment {
  readonly id: number;
  readonly start: Seconds;
  readonly end: Seconds;
  readonly text: string;
  readonly speaker?: string;
  readonly words?: readonly Word[];
  readonly tokens: readonly number[];
  readonly temperature: number;
  readonly avgLogprob: number;
  readonly compressionRatio: number;
  readonly noSpeechProb: number;
  /** ISO 639-1 code, where it differs from the transcript's. */
  readonly language?: string;
}

/** One uninterrupted turn of a speaker; turns of different speakers may overlap. */
export interface Turn {
  readonly start: Seconds;
  readonly end: Seconds;
  readonly speaker: string;
}

export interface Speaker {
  readonly label: string;
  /** Seconds of speech. */
  readonly seconds: Seconds;
  /** Unit-length speaker embedding, and the model that made it stands in `Transcript.models`. */
  readonly embedding?: readonly number[];
  /** Cosine similarity to the known voice whose name the label is; absent for a stranger. */
  readonly similarity?: number;
}

/** Something that was asked for and could not be done in full; never silence. */
export interface Warning {
  readonly code: string;
  readonly message: string;
}

export const TRANSCRIPT_SCHEMA = 'diarist.transcript/1';

export interface Transcript {
  readonly schema: typeof TRANSCRIPT_SCHEMA;
  readonly text: string;
  /** ISO 639-1 code of the detected (or forced) language; null where nothing was said. */
  readonly language: string | null;
  readonly languageProbability: number | null;
  readonly task: 'transcribe' | 'translate';
  readonly duration: Seconds;
  readonly segments: readonly Segment[];
  /** Who spoke when; turns may overlap. Empty when diarization was off. */
  readonly turns: readonly Turn[];
  readonly speakers: readonly Speaker[];
  readonly warnings: readonly Warning[];
  /** Name of the model that did each stage, e.g. `{ transcription: 'base', diarization: 'segmentation-3.0 + campplus' }`. */
  readonly models: Readonly<Record<string, string>>;
  /** Wall seconds by stage, and `total`. */
  readonly timings: Readonly<Record<string, Seconds>>;
}
