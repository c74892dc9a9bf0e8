import { TEXT_CONTEXT } from '../graphs/shape.ts';
import { compressionRatio, endsInLoop, findRepetition, needsFallback, tokensUpToLoop } from '../guards.ts';
import type { WhisperTokenizer } from '../tokenizer.ts';
import type { RecognitionTask, RecognizedWindow } from './recognition.ts';
import { type AttentionRow, type Candidate, WindowSearch } from './window-search.ts';

/** Temperatures tried in turn until the text passes the guards. Source: openai-whisper, `transcribe`. */
const TEMPERATURES = [0, 0.2, 0.4, 0.6, 0.8, 1] as const;
/** Whisper's own limit on the text of one window. */
const MAX_TOKENS = TEXT_CONTEXT / 2;
/** How often a growing text is looked at for loops. */
const LOOP_CHECK_TOKENS = 32;

/** What is known of a window once its prompt has been fed. */
export interface FedPrompt {
  readonly promptTokens: number;
  readonly promptTokensCut: number;
  /** Candidates for the first token, likeliest first. */
  readonly first: readonly Candidate[];
  /** Attention rows of the last prompt tokens; empty unless asked for. */
  readonly prefixRows: readonly AttentionRow[];
  /** Alignment heads, and encoder positions, of an attention row. */
  readonly heads: number;
  readonly frames: number;
  readonly noSpeechProb: number;
  readonly language: { readonly code: string; readonly probability: number };
}

/** The text of one window as it grows: attempt by attempt at rising temperatures, until one passes the guards. */
export class Reading {
  readonly prompt: FedPrompt;
  readonly #beams: number;
  readonly #tokenizer: WhisperTokenizer;
  readonly #random: () => number;
  readonly #results: RecognizedWindow[] = [];
  #attempt = 0;
  #search: WindowSearch;

  constructor(prompt: FedPrompt, { beams }: Pick<RecognitionTask, 'beams'>, tokenizer: WhisperTokenizer) {
    this.prompt = prompt;
    this.#beams = beams;
    this.#tokenizer = tokenizer;
    this.#random = seededRandom(prompt.promptTokens + prompt.first[0]!.token);
    this.#search = this.#newSearch(TEMPERATURES[0]);
  }

  get promptTokens(): number {
    return this.prompt.promptTokens;
  }

  /** The search of the present attempt. */
  get search(): WindowSearch {
    return this.#search;
  }

  /** Ends the present attempt where its text has run into a loop. */
  stopLoops(): void {
    const length = this.#search.live[0]?.length ?? 0;
    if (length > 0 && length % LOOP_CHECK_TOKENS === 0 && endsInLoop(this.#search.leadingTokens())) this.#search.stop();
  }

  /** Records a finished attempt; true where the window goes on at the next temperature. */
  tryAgain(): boolean {
    const result = this.#describe(TEMPERATURES[this.#attempt]!);
    this.#results.push(result);
    const temperature = TEMPERATURES[this.#attempt + 1];
    if (temperature === undefined || !needsFallback(result, result.tokens)) return false;
    this.#attempt++;
    this.#search = this.#newSearch(temperature);
    return true;
  }

  /** The best attempt. A text that still loops at every temperature is cut off after the first round of its loop. */
  result(): RecognizedWindow {
    const best = bestOf(this.#results);
    const kept = tokensUpToLoop(best.tokens);
    if (kept === best.tokens.length) return best;
    const tokens = best.tokens.slice(0, kept);
    const attention = best.attention.slice(0, best.firstRow + 1 + kept);
    const tokenProbabilities = best.tokenProbabilities.slice(0, kept);
    return { ...best, tokens, tokenProbabilities, attention, text: this.#tokenizer.decode(tokens) };
  }

  #newSearch(temperature: number): WindowSearch {
    const maxTokens = Math.min(MAX_TOKENS, TEXT_CONTEXT - this.promptTokens);
    const endOfText = this.#tokenizer.special.eot;
    const options = { beams: this.#beams, endOfText, maxTokens, temperature, random: this.#random };
    return new WindowSearch(options, this.prompt.first);
  }

  #describe(temperature: number): RecognizedWindow {
    const { prefixRows, heads, frames, noSpeechProb, language, promptTokensCut } = this.prompt;
    const found = this.#search.best();
    const text = this.#tokenizer.decode(found.tokens);
    const count = found.tokens.length + (found.ended ? 1 : 0);
    return {
      text,
      tokens: found.tokens,
      tokenProbabilities: found.logProbabilities.map(Math.exp),
      language: language.code,
      languageProbability: language.probability,
      avgLogprob: count > 0 ? found.sumLogprob / count : 0,
      temperature,
      compressionRatio: compressionRatio(text),
      noSpeechProb,
      attention: [...prefixRows, ...found.attention],
      firstRow: Math.max(0, prefixRows.length - 1),
      heads,
      frames,
      promptTokensCut,
    };
  }
}

/**
 * The attempt to keep: the first that passes the guards, else the likeliest that does not loop, else the likeliest.
 */
function bestOf(results: readonly RecognizedWindow[]): RecognizedWindow {
  const passed = results.find((result) => !needsFallback(result, result.tokens));
  if (passed !== undefined) return passed;
  const sane = results.filter((result) => findRepetition(result.tokens) === null);
  const pool = sane.length > 0 ? sane : results;
  return pool.reduce((best, result) => (result.avgLogprob > best.avgLogprob ? result : best));
}

/** Mulberry32: samples of a window are the same in every run and every batch. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
