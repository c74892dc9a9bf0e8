import { deflateSync } from 'node:zlib';

/** Above this a text repeats itself. Source: openai-whisper 20250625, `compression_ratio_threshold`. */
export const COMPRESSION_RATIO_LIMIT = 2.4;
/** Mean log-probability under which a text is not trusted. Source: the same, `logprob_threshold`. */
export const LOG_PROBABILITY_LIMIT = -1.0;
/** No-speech probability above which an untrusted text counts as silence. Source: the same, `no_speech_threshold`. */
export const NO_SPEECH_LIMIT = 0.6;

/**
 * UTF-8 bytes of the text over bytes of its zlib stream; some 1 to 1.8 for speech, more for loops; 0 without text. Node's
 * zlib packs a byte or two differently from Python's, so short loops come out a few percent off the reference's value.
 */
export function compressionRatio(text: string): number {
  if (text === '') return 0;
  const bytes = Buffer.from(text, 'utf8');
  return bytes.length / deflateSync(bytes).length;
}

/** What decoding says about a chunk. */
export interface DecodingEvidence {
  /** Sum of the tokens' log-probabilities, end included, over their number. */
  readonly avgLogprob: number;
  readonly noSpeechProb: number;
}

/**
 * True where there is no speech: the model says so and does not trust its text either. The first alone is no proof:
 * clean speech was seen at a no-speech probability of 0.65 with a log-probability of -0.05.
 */
export function isSilence({ avgLogprob, noSpeechProb }: DecodingEvidence): boolean {
  return noSpeechProb > NO_SPEECH_LIMIT && avgLogprob < LOG_PROBABILITY_LIMIT;
}

/**
 * True where a chunk should be decoded again at a higher temperature: the text repeats itself or is not trusted, and it is
 * not silence, where another try would only invent another text. Source: faster-whisper 1.2.1 `generate_with_fallback`;
 * loops of tokens are our addition, see {@link findRepetition}.
 */
export function needsFallback(
  evidence: DecodingEvidence & { readonly compressionRatio: number },
  tokens: ArrayLike<number> = [],
): boolean {
  if (isSilence(evidence)) return false;
  return (
    evidence.compressionRatio > COMPRESSION_RATIO_LIMIT ||
    evidence.avgLogprob < LOG_PROBABILITY_LIMIT ||
    findRepetition(tokens) !== null
  );
}

/** A run of tokens that repeats: `period` tokens, `count` times from `start`. The last may be cut short by the end. */
export interface Repetition {
  readonly start: number;
  readonly period: number;
  readonly count: number;
}

/** Longest phrase, in tokens, that is looked for: longer loops do not fit thrice into 224 tokens. */
const LONGEST_PERIOD = 74;
/** People repeat a word five times and a sentence twice; a decoder in a loop goes on. */
const FEWEST_REPEATS = 3;
const FEWEST_LOOP_TOKENS = 20;

/**
 * The longest loop in a text, if there is one: the same phrase at least 3 times in a row and 20 tokens or more. The
 * compression ratio misses loops behind a long sound beginning, and short ones.
 */
export function findRepetition(tokens: ArrayLike<number>): Repetition | null {
  let found: Repetition | null = null;
  let longest = 0;
  for (let period = 1; period <= LONGEST_PERIOD && period * FEWEST_REPEATS <= tokens.length; period++) {
    let matching = 0;
    for (let index = period; index <= tokens.length; index++) {
      if (index < tokens.length && tokens[index] === tokens[index - period]) {
        matching++;
        continue;
      }
      const length = matching + period;
      const count = Math.floor(length / period);
      if (count >= FEWEST_REPEATS && length >= FEWEST_LOOP_TOKENS && length > longest) {
        longest = length;
        found = { start: index - length, period, count };
      }
      matching = 0;
    }
  }
  return found;
}

/** True where a text has not come out of its loop; people who repeat themselves go on to something else. */
export function endsInLoop(tokens: ArrayLike<number>): boolean {
  return loopAtEnd(tokens) !== null;
}

/**
 * How many tokens of a text to keep that no temperature could save: all, or up to the first round of the loop that it ends
 * in. Speech that goes on behind a repetition is worth more than a repetition is a nuisance.
 */
export function tokensUpToLoop(tokens: ArrayLike<number>): number {
  const loop = loopAtEnd(tokens);
  return loop === null ? tokens.length : loop.start + loop.period;
}

function loopAtEnd(tokens: ArrayLike<number>): Repetition | null {
  const loop = findRepetition(tokens);
  return loop !== null && loop.start + loop.period * (loop.count + 1) >= tokens.length ? loop : null;
}
