import type { AttentionRow } from './window-search.ts';

/** One window of audio to recognise. */
export interface RecognitionTask {
  /** Up to 30 s at 16 kHz, read when its turn comes. */
  readonly audio: () => Float32Array;
  /** Length of the audio, where it is known before: a short window goes before longer ones that came shortly before it. */
  readonly seconds?: number;
  /** ISO 639-1 code, or a function that decides from the probabilities of this window. */
  readonly language: string | ((probabilities: ReadonlyMap<string, number>) => string | Promise<string>);
  readonly task: 'transcribe' | 'translate';
  readonly prompt?: string;
  readonly hotwords?: string;
  readonly beams: number;
  /** Nobody else waits for the processor: the audio is encoded with every thread. */
  readonly alone?: boolean;
  /** Keep the attention rows that word times need. */
  readonly attention: boolean;
  /** Turns true when nobody waits for the result any more. */
  readonly cancelled?: () => boolean;
}

export interface RecognizedWindow {
  readonly text: string;
  readonly tokens: readonly number[];
  /** 0 to 1, one a token. */
  readonly tokenProbabilities: readonly number[];
  readonly language: string;
  readonly languageProbability: number;
  /** Sum of the log-probabilities over the number of tokens, end of text included. */
  readonly avgLogprob: number;
  readonly temperature: number;
  readonly compressionRatio: number;
  readonly noSpeechProb: number;
  /** Attention rows [heads, frames]: of the last prompt tokens, then of each text token. Empty unless asked for. */
  readonly attention: readonly AttentionRow[];
  /** The row that predicts the first text token. */
  readonly firstRow: number;
  readonly heads: number;
  /** Encoder positions of a row. */
  readonly frames: number;
  /** Tokens of prompt and hot words that there was no room for. */
  readonly promptTokensCut: number;
}
