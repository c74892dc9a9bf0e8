import { DiaristError } from '../../../core/errors.ts';
import { SAMPLE_RATE } from '../../../core/units.ts';
import { SuppressionRow } from '../graphs/decoder.ts';
import { AUDIO_CONTEXT, TEXT_CONTEXT } from '../graphs/shape.ts';
import { compressionRatio, findRepetition, needsFallback } from '../guards.ts';
import type { WhisperTokenizer } from '../tokenizer.ts';
import { type DecoderAnswer, HIDDEN, type WhisperModel } from './whisper-model.ts';
import {
  type AttentionRow,
  type Candidate,
  candidatesWanted,
  type SearchResult,
  WindowSearch,
} from './window-search.ts';

/** Temperatures tried in turn until the text passes the guards. Source: openai-whisper, `transcribe`. */
const TEMPERATURES = [0, 0.2, 0.4, 0.6, 0.8, 1] as const;
/** Whisper's own limit on the text of one window. */
const MAX_TOKENS = TEXT_CONTEXT / 2;
/** A prompt takes at most half of the text context, less the token that announces it. */
const MAX_PROMPT_TOKENS = TEXT_CONTEXT / 2 - 1;
/** How often a growing text is looked at for loops. */
const LOOP_CHECK_TOKENS = 32;
/** Of a window whose text nobody asks for: it may sit beside windows of any number of beams. */
const NO_BEAMS = 0;
/** Encoder positions in a second of audio. */
const POSITIONS_PER_SECOND = 50;

/** One window of audio to recognise. */
export interface RecognitionTask {
  /** Up to 30 s at 16 kHz, read when its turn comes. */
  readonly audio: () => Float32Array;
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
}

/** Steps of the decoder, and the windows that grew in them: how full batches are. */
export interface DecoderLoad {
  readonly steps: number;
  readonly windows: number;
}

interface Waiting {
  readonly task: RecognitionTask;
  readonly resolve: (window: RecognizedWindow) => void;
  readonly reject: (error: unknown) => void;
}

interface Language {
  readonly code: string;
  readonly probability: number;
}

/** A window that sits in a slot of the model: first it waits for its language, then its text grows. */
interface Active extends Waiting {
  readonly audioSeconds: number;
  language: Language | undefined;
  reading: Reading | undefined;
  /** Its promise was rejected: the slot is free for another. */
  failed: boolean;
}

/** A window whose prompt has been fed. */
interface Reading {
  readonly promptTokens: number;
  readonly first: readonly Candidate[];
  readonly prefixRows: readonly AttentionRow[];
  readonly frames: number;
  readonly noSpeechProb: number;
  readonly language: Language;
  readonly random: () => number;
  attempt: number;
  search: WindowSearch;
  readonly results: RecognizedWindow[];
}

/**
 * Recognises windows in batches that are refilled as texts end: a window enters a free slot at once, however far the
 * others are. A window's result does not depend on its batch mates (int8 products are exact, each row has its own
 * scale), nor on any window before it.
 */
export class Recognizer {
  readonly #model: WhisperModel;
  readonly #tokenizer: WhisperTokenizer;
  readonly #alignmentHeads: number;
  readonly #waiting: Waiting[] = [];
  #active: Active[] = [];
  #running = false;
  #load: DecoderLoad = { steps: 0, windows: 0 };
  /** Resolved when a window arrives or learns its language. */
  #news = Promise.withResolvers<void>();

  constructor(model: WhisperModel, tokenizer: WhisperTokenizer, alignmentHeads: number) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#alignmentHeads = alignmentHeads;
  }

  recognize(task: RecognitionTask): Promise<RecognizedWindow> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task, resolve, reject });
      this.#wake();
    });
  }

  /** How likely each language is in a window. Its text is not decoded, and it goes before the windows that wait. */
  async hear(task: Pick<RecognitionTask, 'audio' | 'alone' | 'cancelled'>): Promise<ReadonlyMap<string, number>> {
    if (!this.#tokenizer.multilingual) return new Map([['en', 1]]);
    const heard = Promise.withResolvers<ReadonlyMap<string, number>>();
    const language = (probabilities: ReadonlyMap<string, number>): never => {
      heard.resolve(probabilities);
      // Nobody waits for the text: its slot is free again.
      throw new DiaristError('cancelled', 'Cancelled.');
    };
    const window = { ...task, language, task: 'transcribe', beams: NO_BEAMS, attention: false } as const;
    this.#waiting.unshift({ task: window, resolve: () => {}, reject: heard.reject });
    this.#wake();
    return heard.promise;
  }

  /** What the decoder did since this was last asked. */
  takeLoad(): DecoderLoad {
    const load = this.#load;
    this.#load = { steps: 0, windows: 0 };
    return load;
  }

  #wake(): void {
    this.#news.resolve();
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#waiting.length > 0 || this.#active.length > 0) {
        this.#news = Promise.withResolvers();
        await this.#fill();
        for (const [slot, window] of this.#active.entries()) {
          if (window.language !== undefined && window.reading === undefined && !window.failed) {
            window.reading = await this.#begin(window, slot, window.language);
          }
        }
        this.#settle();
        if (this.#active.some(({ reading }) => reading !== undefined)) await this.#step();
        else if (this.#active.length > 0) await this.#news.promise;
        this.#settle();
      }
      this.#model.shrinkCache();
    } catch (error) {
      const failed = [...this.#active, ...this.#waiting];
      this.#active = [];
      this.#waiting.length = 0;
      for (const { reject } of failed) reject(error);
    } finally {
      this.#running = false;
    }
  }

  /**
   * Lets waiting windows into free slots. Those that grow together have one beam size; windows that only wait for their
   * language keep nobody out, since the windows kept out may be the ones that decide it. A window of another size lets no
   * one past it, so that it does not wait for as long as others go on coming.
   */
  async #fill(): Promise<void> {
    while (this.#active.length < this.#model.capacity) {
      const beams = this.#active.find(({ language }) => language !== undefined)?.task.beams;
      const next = this.#waiting[0];
      if (next === undefined) return;
      const fits = beams === undefined || next.task.beams === beams || next.task.beams === NO_BEAMS;
      if (!fits && !isCancelled(next)) return;
      this.#waiting.shift();
      if (!fits || isCancelled(next)) continue;
      const audio = this.#readAudio(next);
      if (audio === undefined) continue;
      const slot = this.#active.length;
      const audioSeconds = audio.length / SAMPLE_RATE;
      const window = { ...next, audioSeconds, language: undefined, reading: undefined, failed: false };
      this.#active.push(window);
      await this.#model.encode(slot, audio, next.task.alone);
      await this.#listen(window, slot);
    }
  }

  /** The audio of a window; undefined where it cannot be read, which is the matter of this window alone. */
  #readAudio({ task, reject }: Waiting): Float32Array | undefined {
    try {
      return task.audio();
    } catch (error) {
      reject(error);
      return undefined;
    }
  }

  /** Finds out a window's language; where somebody else decides it, the answer comes when it comes. */
  async #listen(window: Active, slot: number): Promise<void> {
    const { language } = window.task;
    const settle = (code: string, probability: number) => {
      // Throws where this model was not trained on the language.
      this.#tokenizer.languageToken(code);
      window.language = { code, probability };
    };
    const fail = (error: unknown) => {
      window.failed = true;
      window.reject(error);
    };
    if (!this.#tokenizer.multilingual) {
      try {
        // Such a model would write English whatever is spoken.
        if (typeof language === 'string' && language !== 'en') this.#tokenizer.languageToken(language);
        window.language = { code: 'en', probability: 1 };
      } catch (error) {
        fail(error);
      }
      return;
    }
    if (typeof language === 'string') {
      try {
        settle(language, 1);
      } catch (error) {
        fail(error);
      }
      return;
    }
    const probabilities = await this.#languageProbabilities(slot);
    const decide = async () => {
      const code = await language(probabilities);
      settle(code, probabilities.get(code) ?? 0);
    };
    decide()
      .catch(fail)
      .finally(() => this.#news.resolve());
  }

  /** Feeds a window's prompt. */
  async #begin(window: Active, slot: number, language: Language): Promise<Reading> {
    const { task } = window;
    const { special } = this.#tokenizer;
    const previous = this.#previousText(task);
    const start = [...this.#tokenizer.sotSequence(language.code, task.task), special.noTimestamps];
    const prompt = [...previous, ...start];
    while (prompt.length >= this.#model.cachePositions) this.#model.growCache();
    const answer = await this.#feedPrompt(slot, prompt, previous.length, task);
    for (let position = 0; position < prompt.length; position++) {
      this.#model.remember(answer, { window: 0, token: position, n: prompt.length, slot, position });
    }
    // Two predictions were asked for: at the start token (is this speech?), and what comes first.
    const top = answer.tokens.length / 2;
    const first = readCandidates(answer, top, top);
    const frames = Math.min(AUDIO_CONTEXT, Math.ceil(window.audioSeconds) * POSITIONS_PER_SECOND);
    const prefixRows = task.attention
      ? start.map((_, row) => this.#attentionRow(answer, 0, previous.length + row, prompt.length, frames))
      : [];
    const random = seededRandom(prompt.length + first[0]!.token);
    return {
      promptTokens: prompt.length,
      first,
      prefixRows,
      frames,
      noSpeechProb: answer.probed[0] ?? 0,
      language,
      random,
      attempt: 0,
      search: this.#newSearch(task, TEMPERATURES[0], random, first, prompt.length),
      results: [],
    };
  }

  #newSearch(
    task: RecognitionTask,
    temperature: number,
    random: () => number,
    first: readonly Candidate[],
    promptTokens: number,
  ): WindowSearch {
    const maxTokens = Math.min(MAX_TOKENS, TEXT_CONTEXT - promptTokens);
    const options = { beams: task.beams, endOfText: this.#tokenizer.special.eot, maxTokens, temperature, random };
    return new WindowSearch(options, first);
  }

  async #languageProbabilities(slot: number): Promise<ReadonlyMap<string, number>> {
    const answer = await this.#model.decode({
      from: slot,
      count: 1,
      ids: BigInt64Array.of(BigInt(this.#tokenizer.special.sot)),
      positions: BigInt64Array.of(0n),
      pastMask: new Float32Array(this.#model.cachePositions).fill(HIDDEN),
      newMask: new Float32Array(1),
      pick: [0],
      suppression: [SuppressionRow.nothing],
      top: 1,
      probe: true,
      align: false,
    });
    const codes = [...this.#tokenizer.languageTokens.keys()];
    // The first probed token is the no-speech one; languages follow in the tokenizer's order.
    const weights = codes.map((_, index) => answer.probed[index + 1]!);
    const sum = weights.reduce((total, weight) => total + weight, 0) || 1;
    return new Map(codes.map((code, index) => [code as string, weights[index]! / sum]));
  }

  /** The tokens of prompt and hot words, announced as text that went before. */
  #previousText({ prompt, hotwords }: RecognitionTask): number[] {
    const encode = (text: string | undefined) => {
      const trimmed = text?.trim() ?? '';
      return trimmed === '' ? [] : this.#tokenizer.encode(` ${trimmed}`);
    };
    const words = encode(hotwords).slice(0, MAX_PROMPT_TOKENS);
    const room = MAX_PROMPT_TOKENS - words.length;
    const before = room > 0 ? encode(prompt).slice(-room) : [];
    const text = [...words, ...before];
    return text.length === 0 ? [] : [this.#tokenizer.special.sotPrev, ...text];
  }

  #feedPrompt(
    slot: number,
    prompt: readonly number[],
    sotIndex: number,
    task: RecognitionTask,
  ): Promise<DecoderAnswer> {
    const n = prompt.length;
    const causal = new Float32Array(n * n);
    for (let row = 0; row < n; row++) causal.fill(HIDDEN, row * n + row + 1, (row + 1) * n);
    return this.#model.decode({
      from: slot,
      count: 1,
      ids: BigInt64Array.from(prompt, BigInt),
      positions: BigInt64Array.from(prompt, (_, position) => BigInt(position)),
      pastMask: new Float32Array(n * this.#model.cachePositions).fill(HIDDEN),
      newMask: causal,
      pick: [sotIndex, n - 1],
      suppression: [SuppressionRow.nothing, SuppressionRow.begin],
      top: candidatesWanted(1, task.beams),
      probe: true,
      align: task.attention,
    });
  }

  /** Advances every active window by one token. */
  async #step(): Promise<void> {
    const active = this.#active;
    const n = Math.max(...active.map(({ reading }) => reading?.search.live.length ?? 0));
    for (const { reading } of active) {
      while (reading !== undefined && !this.#placeTokens(reading)) this.#model.growCache();
    }
    const growing = active.filter(({ reading }) => reading !== undefined).length;
    this.#load = { steps: this.#load.steps + 1, windows: this.#load.windows + growing };
    const positions = this.#model.cachePositions;
    const ids = new BigInt64Array(active.length * n);
    const places = new BigInt64Array(active.length * n);
    const pastMask = new Float32Array(active.length * n * positions).fill(HIDDEN);
    const newMask = new Float32Array(active.length * n * n).fill(HIDDEN);
    active.forEach(({ reading }, w) => {
      for (let i = 0; i < n; i++) {
        const row = w * n + i;
        newMask[row * n + i] = 0;
        const hypothesis = reading?.search.live[i];
        // A window with fewer hypotheses than the widest, or none yet, feeds a token whose answer nobody reads.
        if (reading === undefined || hypothesis === undefined) {
          ids[row] = BigInt(this.#tokenizer.special.eot);
          continue;
        }
        ids[row] = BigInt(hypothesis.token);
        places[row] = BigInt(reading.promptTokens + hypothesis.length - 1);
        pastMask.fill(0, row * positions, row * positions + reading.promptTokens);
        for (let past = hypothesis.parent; past !== undefined; past = past.parent) {
          pastMask[row * positions + past.cachePosition] = 0;
        }
      }
    });
    const align = active.some(({ task }) => task.attention);
    const answer = await this.#model.decode({
      from: 0,
      count: active.length,
      ids,
      positions: places,
      pastMask,
      newMask,
      pick: Array.from({ length: n }, (_, i) => i),
      suppression: new Array(active.length * n).fill(SuppressionRow.regular),
      top: Math.max(...active.map(({ reading }) => reading?.search.candidatesWanted ?? 1)),
      probe: false,
      align,
    });
    active.forEach(({ reading, task }, w) => {
      if (reading !== undefined) this.#take(reading, task, w, n, answer);
    });
  }

  /** Gives each token about to be fed a free cache position; false where there are not enough. */
  #placeTokens({ search, promptTokens }: Reading): boolean {
    const used = new Uint8Array(this.#model.cachePositions).fill(1, 0, promptTokens);
    for (const hypothesis of search.live) {
      for (let past = hypothesis.parent; past !== undefined; past = past.parent) used[past.cachePosition] = 1;
    }
    let position = promptTokens;
    for (const hypothesis of search.live) {
      while (used[position] === 1) position++;
      if (position >= used.length) return false;
      hypothesis.cachePosition = position++;
    }
    return true;
  }

  #take(reading: Reading, task: RecognitionTask, index: number, n: number, answer: DecoderAnswer): void {
    const { search } = reading;
    const top = answer.tokens.length / (this.#active.length * n);
    const candidates = search.live.map((hypothesis, i) => {
      this.#model.remember(answer, { window: index, token: i, n, slot: index, position: hypothesis.cachePosition });
      return readCandidates(answer, (index * n + i) * top, Math.min(top, search.candidatesWanted));
    });
    const fed = search.live;
    search.advance(candidates);
    if (task.attention) {
      // Rows of hypotheses that nothing grows from are not worth their 48 KB.
      const parents = new Set([...search.live, ...search.ended].map(({ parent }) => parent));
      fed.forEach((hypothesis, i) => {
        if (parents.has(hypothesis)) {
          hypothesis.attention = this.#attentionRow(answer, index, i, n, reading.frames);
        }
      });
    }
    const length = search.live[0]?.length ?? 0;
    if (length > 0 && length % LOOP_CHECK_TOKENS === 0 && endsInLoop(search.leadingTokens())) search.stop();
  }

  /** Copies one attention row [heads, frames] out of an answer. */
  #attentionRow(answer: DecoderAnswer, window: number, token: number, n: number, frames: number): AttentionRow {
    const heads = this.#alignmentHeads;
    const row = new Float32Array(heads * frames);
    for (let head = 0; head < heads; head++) {
      const from = ((window * heads + head) * n + token) * answer.attentionPositions;
      row.set(answer.attention.subarray(from, from + frames), head * frames);
    }
    return row;
  }

  /** Hands out finished windows and closes the gaps they leave. */
  #settle(): void {
    for (let index = this.#active.length - 1; index >= 0; index--) {
      const window = this.#active[index]!;
      if (!window.failed && !isCancelled(window)) {
        const { reading } = window;
        if (reading === undefined || !reading.search.done) continue;
        if (this.#tryAgain(reading, window.task)) continue;
        window.resolve(this.#withoutLoop(bestOf(reading.results)));
      }
      const last = this.#active.length - 1;
      if (index !== last) {
        this.#model.move(last, index);
        this.#active[index] = this.#active[last]!;
      }
      this.#active.pop();
    }
  }

  /** Records a finished attempt; true where the window goes on at the next temperature. */
  #tryAgain(reading: Reading, task: RecognitionTask): boolean {
    const result = this.#describe(reading, reading.search.best(), TEMPERATURES[reading.attempt]!);
    reading.results.push(result);
    const temperature = TEMPERATURES[reading.attempt + 1];
    if (temperature === undefined || !needsFallback(result, result.tokens)) return false;
    reading.attempt++;
    reading.search = this.#newSearch(task, temperature, reading.random, reading.first, reading.promptTokens);
    return true;
  }

  /** A text that still loops at every temperature is cut off after the first round of its loop. */
  #withoutLoop(result: RecognizedWindow): RecognizedWindow {
    const loop = findRepetition(result.tokens);
    // Speech that goes on behind a repetition is worth more than a repetition is a nuisance.
    if (loop === null || !endsInLoop(result.tokens)) return result;
    const kept = loop.start + loop.period;
    const tokens = result.tokens.slice(0, kept);
    const attention = result.attention.slice(0, result.firstRow + 1 + kept);
    const tokenProbabilities = result.tokenProbabilities.slice(0, kept);
    return { ...result, tokens, tokenProbabilities, attention, text: this.#tokenizer.decode(tokens) };
  }

  #describe(reading: Reading, found: SearchResult, temperature: number): RecognizedWindow {
    const text = this.#tokenizer.decode(found.tokens);
    const count = found.tokens.length + (found.ended ? 1 : 0);
    return {
      text,
      tokens: found.tokens,
      tokenProbabilities: found.logProbabilities.map(Math.exp),
      language: reading.language.code,
      languageProbability: reading.language.probability,
      avgLogprob: count > 0 ? found.sumLogprob / count : 0,
      temperature,
      compressionRatio: compressionRatio(text),
      noSpeechProb: reading.noSpeechProb,
      attention: [...reading.prefixRows, ...found.attention],
      firstRow: Math.max(0, reading.prefixRows.length - 1),
      heads: this.#alignmentHeads,
      frames: reading.frames,
    };
  }
}

/** Frees a slot that nobody waits for; true where it did. */
function isCancelled({ task, reject }: Waiting): boolean {
  if (task.cancelled?.() !== true) return false;
  reject(new DiaristError('cancelled', 'Cancelled.'));
  return true;
}

/** True where a text has not come out of its loop; people who repeat themselves go on to something else. */
function endsInLoop(tokens: readonly number[]): boolean {
  const loop = findRepetition(tokens);
  return loop !== null && loop.start + loop.period * (loop.count + 1) >= tokens.length;
}

function readCandidates(answer: DecoderAnswer, from: number, count: number): Candidate[] {
  return Array.from({ length: count }, (_, index) => ({
    token: Number(answer.tokens[from + index]),
    logProbability: answer.logProbabilities[from + index]!,
  }));
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
