import type { Seconds } from '../core/units.ts';
import type { Word } from './types.ts';

/** What recognition says about one chunk of the recording. All times are in recording time, not chunk time. */
export interface RecognizedChunk {
  readonly start: Seconds;
  readonly end: Seconds;
  readonly text: string;
  /** Words in order; empty where their times were not looked for. */
  readonly words: readonly Word[];
  /** Text tokens of the hypothesis, without special ones. */
  readonly tokens: readonly number[];
  /** How many of `tokens` spell each word, in order; absent where nobody knows. */
  readonly tokensPerWord?: readonly number[];
  /** Mean log-probability of the tokens. */
  readonly avgLogprob: number;
  readonly temperature: number;
  /** UTF-8 bytes of the text over their deflated size. */
  readonly compressionRatio: number;
  readonly noSpeechProb: number;
  /** ISO 639-1 code. */
  readonly language: string;
}
