import { SAMPLE_RATE, type Seconds } from '../core/units.ts';
import { type Chunk, samplesOf } from '../engine/vad/chunking.ts';
import type { RecognizedChunk } from '../transcript/recognized.ts';
import type { Checkpoint } from './checkpoint.ts';
import { BALLOTS_WANTED, type LanguageVerdict, LanguageVote } from './language-vote.ts';
import { PartTeller } from './part-teller.ts';
import type { TranscribeOptions, TranscriptPart } from './types.ts';
import { unreadSpeech, withRecovered } from './unread-speech.ts';
import type { InferencePool, TaskOptions } from './worker/inference-pool.ts';

/** Below this the language of a short recording is looked at twice. */
const DOUBTFUL_LANGUAGE = 0.6;
/** Recordings of so many chunks at most are short. */
const SHORT_RECORDING_CHUNKS = 2;

/** A chunk, its place among the others and the silence before it. */
export interface PlacedChunk extends Chunk {
  readonly index: number;
  readonly pauseBefore: Seconds;
}

export interface ChunkReaderOptions {
  readonly spoolPath: string;
  readonly pool: InferencePool;
  readonly run: TaskOptions;
  readonly options: TranscribeOptions;
  readonly checkpoint: Checkpoint | undefined;
  readonly onPart: ((part: TranscriptPart) => void) | undefined;
}

/** Reads the chunks of one recording, all in the language that the first of them agree on where none is given. */
export class ChunkReader {
  readonly #work: ChunkReaderOptions;
  readonly #vote = new LanguageVote();
  readonly #parts: PartTeller;
  #verdict: LanguageVerdict | undefined;

  constructor(work: ChunkReaderOptions) {
    this.#work = work;
    this.#parts = new PartTeller(work.onPart);
    this.#verdict = work.checkpoint?.verdict;
    if (work.options.language !== undefined) this.#parts.makeCertain();
    else if (this.#verdict !== undefined) this.#look(this.#verdict);
  }

  /** The recording's language; undefined where it was given, or nothing had to be decided. */
  get verdict(): LanguageVerdict | undefined {
    return this.#verdict;
  }

  /** What a chunk says; null where it says nothing. `alone`: nothing else waits for the processor. */
  async read(chunk: PlacedChunk, alone: boolean): Promise<RecognizedChunk | null> {
    if (chunk.index >= SHORT_RECORDING_CHUNKS) this.#parts.makeCertain();
    const result = await this.#read(chunk, this.#work.options.language ?? this.#verdict?.language, alone);
    this.#parts.add(this.#partOf(chunk, result));
    return result;
  }

  /** No chunk follows the so many that were found. */
  foundAll(chunks: number): void {
    this.#vote.close(chunks);
  }

  /**
   * The results as they stay. A few seconds of speech may sound like two languages: where the likelier one is doubtful, a
   * short recording is read in both, and the language whose text the model trusts more is the recording's.
   */
  async settle(
    chunks: readonly PlacedChunk[],
    recognized: (RecognizedChunk | null)[],
  ): Promise<(RecognizedChunk | null)[]> {
    const settled = await this.#inLikelierLanguage(chunks, recognized);
    chunks.forEach((chunk, index) => {
      this.#parts.add(this.#partOf(chunk, settled[index]!));
    });
    this.#parts.makeCertain();
    return settled;
  }

  async #inLikelierLanguage(
    chunks: readonly PlacedChunk[],
    recognized: (RecognizedChunk | null)[],
  ): Promise<(RecognizedChunk | null)[]> {
    const verdict = this.#verdict;
    if (verdict === undefined || !isDoubtful(verdict) || chunks.length > SHORT_RECORDING_CHUNKS) return recognized;
    const { runnerUp } = verdict;
    const other = await Promise.all(chunks.map((chunk) => this.#read(chunk, runnerUp.language, false)));
    if (meanLogprob(other) <= meanLogprob(recognized)) return recognized;
    this.#verdict = { ...runnerUp, runnerUp: { language: verdict.language, probability: verdict.probability } };
    return other;
  }

  /** What a chunk says in a language, or in the one that the recording's chunks agree on. */
  async #read(chunk: PlacedChunk, language: string | undefined, alone: boolean): Promise<RecognizedChunk | null> {
    const { checkpoint } = this.#work;
    const { index, pieces } = chunk;
    const kept = checkpoint?.chunk(index, language ?? '', pieces);
    if (kept !== undefined) return kept;
    const first = await this.#recognize(chunk, language, { again: false, alone });
    const result = first === null ? null : await this.#readLeftOut(chunk, first, alone);
    const readIn = language ?? this.#verdict?.language ?? '';
    checkpoint?.keepChunk({ index, language: readIn, pieces, result });
    return result;
  }

  /** What a chunk says, with what the first attempt at it left out. */
  async #readLeftOut(chunk: PlacedChunk, first: RecognizedChunk, alone: boolean): Promise<RecognizedChunk> {
    // A translation's words stand where its own grammar puts them: between them nothing is missing.
    if (this.#work.options.task === 'translate') return first;
    const stretches = unreadSpeech(chunk.pieces, first.words);
    const second = await Promise.all(
      stretches.map((pieces) => {
        const part = { ...chunk, pieces, samples: samplesOf(pieces), pauseBefore: 0 };
        return this.#recognize(part, first.language, {
          again: true,
          alone: alone && stretches.length === 1,
        });
      }),
    );
    return second.reduce<RecognizedChunk>(withRecovered, first);
  }

  /** `again`: before what waits, for the parts behind it are not told before, and without words that somebody suggested. */
  async #recognize(
    chunk: PlacedChunk,
    language: string | undefined,
    { again, alone }: { readonly again: boolean; readonly alone: boolean },
  ): Promise<RecognizedChunk | null> {
    const { pool, run, options, spoolPath } = this.#work;
    const { task, beamSize, prompt, hotwords } = options;
    return pool.recognize(
      {
        spool: spoolPath,
        pieces: chunk.pieces,
        pauseBefore: chunk.pauseBefore,
        alone,
        options: {
          // They tell what was left out, whoever asks for them.
          words: options.words || task === 'transcribe',
          task,
          beamSize,
          ...(language === undefined ? {} : { language }),
          ...(prompt === undefined || again ? {} : { prompt }),
          ...(hotwords === undefined || again ? {} : { hotwords }),
        },
      },
      {
        ...run,
        turn: again ? { ...run.turn, ahead: true } : run.turn,
        seconds: chunk.samples / SAMPLE_RATE,
        decideLanguage: (probabilities) => this.#decideLanguage(chunk, probabilities),
      },
    );
  }

  async #decideLanguage(chunk: PlacedChunk, probabilities: ReadonlyMap<string, number>): Promise<string> {
    if (chunk.index < BALLOTS_WANTED) this.#vote.cast(probabilities);
    const verdict = await this.#vote.verdict;
    if (this.#verdict === undefined) {
      this.#verdict = verdict;
      this.#work.checkpoint?.keepVerdict(verdict);
      this.#look(verdict);
    }
    return verdict.language;
  }

  #look(verdict: LanguageVerdict): void {
    if (!isDoubtful(verdict)) this.#parts.makeCertain();
  }

  #partOf(chunk: PlacedChunk, result: RecognizedChunk | null): TranscriptPart {
    const start = chunk.pieces[0]!.startSample / SAMPLE_RATE;
    const end = chunk.pieces.at(-1)!.endSample / SAMPLE_RATE;
    const language = result?.language ?? this.#work.options.language ?? this.#verdict?.language ?? 'en';
    const { text, avgLogprob } = result ?? { text: '', avgLogprob: 0 };
    const words = this.#work.options.words ? (result?.words ?? []) : [];
    return { index: chunk.index, start, end, text, language, words, avgLogprob };
  }
}

function isDoubtful({ language, probability, runnerUp }: LanguageVerdict): boolean {
  return probability < DOUBTFUL_LANGUAGE && runnerUp.language !== language;
}

/** Mean log-probability of all tokens; nothing said counts as nothing trusted. */
function meanLogprob(chunks: readonly (RecognizedChunk | null)[]): number {
  let sum = 0;
  let tokens = 0;
  for (const chunk of chunks) {
    sum += (chunk?.avgLogprob ?? -1) * (chunk?.tokens.length ?? 1);
    tokens += chunk?.tokens.length ?? 1;
  }
  return tokens > 0 ? sum / tokens : Number.NEGATIVE_INFINITY;
}
