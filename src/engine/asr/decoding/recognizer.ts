import { DiaristError } from '../../../core/errors.ts';
import { SAMPLE_RATE } from '../../../core/units.ts';
import { AUDIO_CONTEXT } from '../graphs/shape.ts';
import type { WhisperTokenizer } from '../tokenizer.ts';
import { attentionRow, languageCall, placeTokens, promptCall, readCandidates, stepCall } from './decoder-calls.ts';
import { previousText } from './previous-text.ts';
import { Reading } from './reading.ts';
import type { RecognitionTask, RecognizedWindow } from './recognition.ts';
import type { DecoderAnswer, WhisperModel } from './whisper-model.ts';

export type { RecognitionTask, RecognizedWindow } from './recognition.ts';

/** Encoder positions in a second of audio. */
const POSITIONS_PER_SECOND = 50;

/** Steps of the decoder, and the windows that grew in them: how full batches are. */
export interface DecoderLoad {
  readonly steps: number;
  readonly windows: number;
}

/** Of a window whose text nobody asks for: it may sit beside windows of any number of beams. */
const NO_BEAMS = 0;
/** What the encoder hears at most. */
const WINDOW_SECONDS = 30;
/** So much longer waits a window for each of its seconds: one of 5 s passes one of 30 s that came up to 5 s earlier. */
const HANDICAP_MS = 200;
/**
 * Steps between two encodings while the text of a short window grows: encoding takes as long as some twenty steps, so that
 * it would wait for all long windows that come in one after the other. Otherwise full batches come first.
 */
const STEPS_AN_ENCODING = 8;
const SHORT_WINDOW_SECONDS = 10;

interface Waiting {
  readonly task: RecognitionTask;
  readonly resolve: (window: RecognizedWindow) => void;
  readonly reject: (error: unknown) => void;
  /** When its turn comes, in milliseconds of this process. */
  readonly due: number;
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
  #stepsSinceEncoding = 0;
  /** Resolved when a window arrives or learns its language. */
  #news = Promise.withResolvers<void>();

  constructor(model: WhisperModel, tokenizer: WhisperTokenizer, alignmentHeads: number) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#alignmentHeads = alignmentHeads;
  }

  recognize(task: RecognitionTask): Promise<RecognizedWindow> {
    return new Promise((resolve, reject) => {
      const due = performance.now() + (task.seconds ?? WINDOW_SECONDS) * HANDICAP_MS;
      const later = this.#waiting.findIndex((other) => other.due > due);
      this.#waiting.splice(later < 0 ? this.#waiting.length : later, 0, { task, resolve, reject, due });
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
    this.#waiting.unshift({ task: window, resolve: () => {}, reject: heard.reject, due: 0 });
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
        const entered = await this.#fill();
        for (const [slot, window] of this.#active.entries()) {
          if (window.language !== undefined && window.reading === undefined && !window.failed) {
            window.reading = await this.#begin(window, slot, window.language);
          }
        }
        this.#settle();
        if (this.#active.some(({ reading }) => reading !== undefined)) {
          await this.#step();
          this.#stepsSinceEncoding++;
        } else if (!entered && this.#active.length > 0) await this.#news.promise;
        this.#settle();
        // Sums over a longer cache round otherwise: whoever comes next starts like one who comes alone.
        if (this.#active.length === 0) this.#model.shrinkCache();
      }
    } catch (error) {
      const failed = [...this.#active, ...this.#waiting];
      this.#active = [];
      this.#waiting.length = 0;
      for (const { reject } of failed) reject(error);
    } finally {
      this.#running = false;
    }
  }

  /** Lets windows in until the batch is full, or a short one in it is to grow first. True where any came. */
  async #fill(): Promise<boolean> {
    let entered = false;
    while (!this.#isShortGrowing() && (await this.#enter())) {
      entered = true;
      this.#stepsSinceEncoding = 0;
    }
    return entered;
  }

  #isShortGrowing(): boolean {
    if (this.#stepsSinceEncoding >= STEPS_AN_ENCODING) return false;
    return this.#active.some(
      ({ language, failed, audioSeconds }) => language !== undefined && !failed && audioSeconds < SHORT_WINDOW_SECONDS,
    );
  }

  /**
   * Lets the next window into a free slot; false where none may enter. Those that grow together have one beam size; windows
   * that only wait for their language keep nobody out, since the windows kept out may be the ones that decide it. A window
   * of another size lets no one past it, so that it does not wait for as long as others go on coming.
   */
  async #enter(): Promise<boolean> {
    while (this.#active.length < this.#model.capacity) {
      const beams = this.#active.find(({ language }) => language !== undefined)?.task.beams;
      const next = this.#waiting[0];
      if (next === undefined) return false;
      const fits = beams === undefined || next.task.beams === beams || next.task.beams === NO_BEAMS;
      if (!fits && !isCancelled(next)) return false;
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
      return true;
    }
    return false;
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
        this.#tokenizer.requireTask(window.task.task);
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
    const previous = previousText(this.#tokenizer, task);
    const start = [...this.#tokenizer.sotSequence(language.code, task.task), this.#tokenizer.special.noTimestamps];
    const prompt = [...previous.tokens, ...start];
    const startIndex = previous.tokens.length;
    while (prompt.length >= this.#model.cachePositions) this.#model.growCache();
    const answer = await this.#model.decode(promptCall(slot, prompt, startIndex, this.#model.cachePositions, task));
    for (let position = 0; position < prompt.length; position++) {
      this.#model.remember(answer, { window: 0, token: position, n: prompt.length, slot, position });
    }
    const heads = this.#alignmentHeads;
    const frames = Math.min(AUDIO_CONTEXT, Math.ceil(window.audioSeconds) * POSITIONS_PER_SECOND);
    const rowAt = (token: number) => attentionRow(answer, { window: 0, token, n: prompt.length, heads, frames });
    // Two predictions were asked for: at the start token (is this speech?), and what comes first.
    const top = answer.tokens.length / 2;
    const fed = {
      promptTokens: prompt.length,
      promptTokensCut: previous.cut,
      first: readCandidates(answer, top, top),
      prefixRows: task.attention ? start.map((_, row) => rowAt(startIndex + row)) : [],
      heads,
      frames,
      noSpeechProb: answer.probed[0] ?? 0,
      language,
    };
    return new Reading(fed, task, this.#tokenizer);
  }

  async #languageProbabilities(slot: number): Promise<ReadonlyMap<string, number>> {
    const call = languageCall(slot, this.#tokenizer.special.sot, this.#model.cachePositions);
    const answer = await this.#model.decode(call);
    const codes = [...this.#tokenizer.languageTokens.keys()];
    // The first probed token is the no-speech one; languages follow in the tokenizer's order.
    const weights = codes.map((_, index) => answer.probed[index + 1]!);
    const sum = weights.reduce((total, weight) => total + weight, 0) || 1;
    return new Map(codes.map((code, index) => [code as string, weights[index]! / sum]));
  }

  /** Advances every active window by one token. */
  async #step(): Promise<void> {
    const active = this.#active;
    const readings = active.map(({ reading }) => reading);
    for (const reading of readings) {
      while (reading !== undefined && !placeTokens(reading, this.#model.cachePositions)) this.#model.growCache();
    }
    const growing = readings.filter((reading) => reading !== undefined).length;
    this.#load = { steps: this.#load.steps + 1, windows: this.#load.windows + growing };
    const align = active.some(({ task }) => task.attention);
    const call = stepCall(readings, this.#tokenizer.special.eot, this.#model.cachePositions, align);
    const answer = await this.#model.decode(call);
    active.forEach(({ reading, task }, window) => {
      if (reading !== undefined) this.#take(reading, task, window, call.pick.length, answer);
    });
  }

  #take(reading: Reading, task: RecognitionTask, window: number, n: number, answer: DecoderAnswer): void {
    const { search } = reading;
    const { heads, frames } = reading.prompt;
    const top = answer.tokens.length / (this.#active.length * n);
    const candidates = search.live.map((hypothesis, i) => {
      this.#model.remember(answer, { window, token: i, n, slot: window, position: hypothesis.cachePosition });
      return readCandidates(answer, (window * n + i) * top, Math.min(top, search.candidatesWanted));
    });
    const fed = search.live;
    search.advance(candidates);
    if (task.attention) {
      // Rows of hypotheses that nothing grows from are not worth their 48 KB.
      const parents = new Set([...search.live, ...search.ended].map(({ parent }) => parent));
      fed.forEach((hypothesis, token) => {
        if (parents.has(hypothesis)) hypothesis.attention = attentionRow(answer, { window, token, n, heads, frames });
      });
    }
    reading.stopLoops();
  }

  /** Hands out finished windows and closes the gaps they leave. */
  #settle(): void {
    for (let index = this.#active.length - 1; index >= 0; index--) {
      const window = this.#active[index]!;
      if (!window.failed && !isCancelled(window)) {
        const { reading } = window;
        if (reading === undefined || !reading.search.done) continue;
        if (reading.tryAgain()) continue;
        window.resolve(reading.result());
      }
      const last = this.#active.length - 1;
      if (index !== last) {
        this.#model.move(last, index);
        this.#active[index] = this.#active[last]!;
      }
      this.#active.pop();
    }
  }
}

/** Frees a slot that nobody waits for; true where it did. */
function isCancelled({ task, reject }: Waiting): boolean {
  if (task.cancelled?.() !== true) return false;
  reject(new DiaristError('cancelled', 'Cancelled.'));
  return true;
}
