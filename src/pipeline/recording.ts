import { decodeToSpool } from '../audio/decode.ts';
import { AudioSpool } from '../audio/spool.ts';
import { DiaristError, toDiaristError } from '../core/errors.ts';
import { SAMPLE_RATE, type Seconds } from '../core/units.ts';
import { type Chunk, ChunkPacker } from '../engine/vad/chunking.ts';
import { quietestOffset } from '../engine/vad/quietest.ts';
import { type SpeechRegion, SpeechRegionDetector } from '../engine/vad/speech-regions.ts';
import { WINDOW_FRAMES, WINDOW_SAMPLES, windowCount } from '../inference/segmentation/geometry.ts';
import type { RecognizedChunk } from '../transcript/recognized.ts';
import { TRANSCRIPT_SCHEMA, type Transcript, type Warning } from '../transcript/types.ts';
import { joinSegmentTexts } from '../transcript/word-text.ts';
import { type Diarization, diarizeRecording } from './diarization.ts';
import { EMBEDDING_MODEL } from './engine-plan.ts';
import { BALLOTS_WANTED, type LanguageVerdict, LanguageVote } from './language-vote.ts';
import { buildSegments } from './merge/build-segments.ts';
import { ProgressMeter } from './progress-meter.ts';
import { HOP_FOR_SPEECH, WINDOWS_PER_TASK } from './speech-search.ts';
import { withSpool } from './spool-file.ts';
import type { RunContext, TranscribeRequest } from './types.ts';
import type { Turn } from './worker/fair-lane.ts';
import type { InferencePool } from './worker/inference-pool.ts';

/** Hop of the segmentation windows: speakers are counted right where four windows hear every frame. */
const HOP_WITH_SPEAKERS = 2.5 * SAMPLE_RATE;

/** Below this the language of a short recording is looked at twice. */
const DOUBTFUL_LANGUAGE = 0.6;

/** Failures that leave the words whole: the model that tells speakers apart cannot be had. */
const SPEAKERS_MISSING: ReadonlySet<string> = new Set(['model_missing', 'model_corrupt', 'network', 'unknown_model']);

/** Warnings that do not make a result worse than what was asked for. */
const HARMLESS: ReadonlySet<string> = new Set(['no_speech', 'gpu_unused']);

export interface RecordingEnvironment {
  readonly pool: InferencePool;
  readonly dataDir: string;
  /** Longer recordings are refused. */
  readonly maxInputSeconds: Seconds | undefined;
  readonly embeddingGraph: () => Promise<string>;
  readonly models: Readonly<Record<string, string>>;
  /** What every transcript of this engine has to say about how it was made. */
  readonly notes: readonly Warning[];
  /** Flow that the recording belongs to where several wait for the workers. */
  readonly turn: Turn;
}

/** One recording on its way from file to transcript. */
export async function transcribeRecording(
  request: TranscribeRequest,
  environment: RecordingEnvironment,
  context: RunContext,
): Promise<Transcript> {
  return withSpool(environment.dataDir, (spoolPath) =>
    new RecordingRun(request, environment, context, spoolPath).run(),
  );
}

/** A chunk, its place among the others and the silence before it, in seconds. */
interface PlacedChunk extends Chunk {
  readonly index: number;
  readonly pauseBefore: Seconds;
}

class RecordingRun {
  readonly #request: TranscribeRequest;
  readonly #environment: RecordingEnvironment;
  readonly #spoolPath: string;
  readonly #meter: ProgressMeter;
  /** Aborted when anyone aborts or any stage fails, so that no work goes on that nobody needs. */
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #hopSamples: number;
  readonly #detector: SpeechRegionDetector;
  readonly #packer: ChunkPacker;
  readonly #vote = new LanguageVote();
  readonly #classes: Uint8Array[] = [];
  readonly #segmenting: Promise<void>[] = [];
  readonly #chunks: PlacedChunk[] = [];
  readonly #recognizing: Promise<RecognizedChunk | null>[] = [];
  readonly #startedAt = performance.now();
  #spool: AudioSpool | undefined;
  #verdict: LanguageVerdict | undefined;
  #scheduledWindows = 0;
  #lastChunkEnd = 0;
  #alone = false;

  constructor(request: TranscribeRequest, environment: RecordingEnvironment, context: RunContext, spoolPath: string) {
    this.#request = request;
    this.#environment = environment;
    this.#spoolPath = spoolPath;
    this.#signal = AbortSignal.any([this.#stop.signal, ...(context.signal === undefined ? [] : [context.signal])]);
    this.#meter = new ProgressMeter(request.id, request.options.diarize, context.onProgress);
    this.#hopSamples = request.options.diarize ? HOP_WITH_SPEAKERS : HOP_FOR_SPEECH;
    this.#detector = new SpeechRegionDetector({ hopSamples: this.#hopSamples });
    this.#packer = new ChunkPacker({ quietest: (start, end) => this.#quietest(start, end) });
  }

  async run(): Promise<Transcript> {
    try {
      return await this.#run();
    } catch (error) {
      this.#stop.abort(error);
      const outcomes = await Promise.allSettled([...this.#segmenting, ...this.#recognizing]);
      throw this.#firstFailure(error, outcomes);
    } finally {
      this.#spool?.close();
    }
  }

  async #run(): Promise<Transcript> {
    const { options } = this.#request;
    const timings: Record<string, Seconds> = {};
    const audio = await this.#decode();
    timings.decode = this.#elapsed();
    this.#scheduleWindows(windowCount(audio.samples, this.#hopSamples));
    await Promise.all(this.#segmenting);
    this.#takeRegions(this.#detector.flush(audio.samples));
    const last = this.#packer.flush(audio.samples);
    // A dictation: nothing else of this recording, nor of another, can use the other workers.
    this.#alone = this.#chunks.length + last.length === 1 && this.#environment.pool.isIdle;
    this.#schedule(last);
    this.#vote.close(this.#chunks.length);
    timings.segment = this.#elapsed();

    const warnings: Warning[] = [...this.#environment.notes, ...audio.warnings];
    const diarizing = options.diarize && this.#recognizing.length > 0 ? this.#diarize(audio.samples) : undefined;
    diarizing?.catch(() => undefined);
    const recognized = await this.#inLikelierLanguage(await Promise.all(this.#recognizing));
    const diarization = await this.#orWarning(diarizing, warnings);
    timings.recognize = this.#elapsed();
    if (diarization !== undefined) {
      timings.diarize = diarization.seconds;
      warnings.push(...diarization.warnings);
    }
    this.#meter.merging();
    const chunks = recognized.filter((chunk) => chunk !== null);
    const language = options.language ?? this.#verdict?.language ?? chunks[0]?.language ?? null;
    const segments = buildSegments(chunks, {
      language,
      keepWords: options.words,
      ...(diarization === undefined ? {} : { turns: diarization.exclusive }),
    });
    if (segments.length === 0) {
      warnings.push({
        code: 'no_speech',
        message: 'No speech was found in the recording, so the transcript is empty.',
      });
    }
    const degraded = warnings.filter(({ code }) => !HARMLESS.has(code));
    if (options.strict && degraded.length > 0) {
      throw new DiaristError('strict_degraded', degraded.map(({ message }) => message).join(' '));
    }
    timings.total = this.#elapsed();
    const spoken = segments.length > 0;
    return {
      schema: TRANSCRIPT_SCHEMA,
      text: joinSegmentTexts(segments),
      language: spoken ? language : null,
      languageProbability: spoken ? (options.language === undefined ? (this.#verdict?.probability ?? 1) : 1) : null,
      task: options.task,
      duration: audio.samples / SAMPLE_RATE,
      segments,
      turns: spoken ? (diarization?.turns ?? []) : [],
      speakers: spoken ? (diarization?.speakers ?? []) : [],
      warnings,
      models: this.#models(),
      timings: Object.fromEntries(Object.entries(timings).map(([stage, value]) => [stage, round(value)])),
    };
  }

  async #decode(): Promise<Awaited<ReturnType<typeof decodeToSpool>>> {
    const { maxInputSeconds } = this.#environment;
    const audio = await decodeToSpool(this.#request, {
      spoolPath: this.#spoolPath,
      signal: this.#signal,
      ...(maxInputSeconds === undefined ? {} : { maxSeconds: maxInputSeconds }),
      onProgress: ({ decodedSeconds, totalSeconds }) => this.#meter.decoded(decodedSeconds, totalSeconds),
      onSamples: (chunk, startSample) => {
        const decoded = startSample + chunk.length;
        const whole = Math.floor((decoded - WINDOW_SAMPLES) / this.#hopSamples) + 1;
        const ready = whole - this.#scheduledWindows;
        if (ready >= WINDOWS_PER_TASK) this.#scheduleWindows(whole);
      },
    });
    this.#meter.decoded(audio.seconds, audio.seconds);
    return audio;
  }

  /** Hands windows up to `count` to the workers. */
  #scheduleWindows(count: number): void {
    while (this.#scheduledWindows < count) {
      const first = this.#scheduledWindows;
      const size = Math.min(WINDOWS_PER_TASK, count - first);
      this.#scheduledWindows += size;
      this.#segmenting.push(this.#segment(first, size));
    }
    // A failure is noticed where all are awaited; until then it must not count as unhandled.
    for (const task of this.#segmenting) task.catch((error) => this.#stop.abort(error));
  }

  async #segment(first: number, size: number): Promise<void> {
    const startSamples = Array.from({ length: size }, (_, index) => (first + index) * this.#hopSamples);
    const classes = await this.#environment.pool.segment(
      { spool: this.#spoolPath, startSamples },
      { turn: this.#environment.turn, signal: this.#signal },
    );
    for (let index = 0; index < size; index++) {
      const window = classes.subarray(index * WINDOW_FRAMES, (index + 1) * WINDOW_FRAMES);
      if (this.#request.options.diarize) this.#classes[first + index] = window;
      this.#takeRegions(this.#detector.push(first + index, window));
    }
    this.#meter.segmented((size * this.#hopSamples) / SAMPLE_RATE);
  }

  #takeRegions(regions: readonly SpeechRegion[]): void {
    for (const region of regions) this.#schedule(this.#packer.push(region));
  }

  #schedule(chunks: readonly Chunk[]): void {
    for (const chunk of chunks) {
      const pauseBefore = Math.max(0, (chunk.pieces[0]!.startSample - this.#lastChunkEnd) / SAMPLE_RATE);
      this.#lastChunkEnd = chunk.pieces.at(-1)!.endSample;
      this.#meter.found(chunk.samples / SAMPLE_RATE);
      const placed = { ...chunk, index: this.#chunks.length, pauseBefore };
      this.#chunks.push(placed);
      const work = this.#recognize(placed, this.#request.options.language);
      work.catch((error) => this.#stop.abort(error));
      this.#recognizing.push(work);
      work.then(() => this.#meter.recognized(chunk.samples / SAMPLE_RATE)).catch(() => undefined);
    }
  }

  /**
   * A few seconds of speech may sound like two languages. Where the likelier one is doubtful, a short recording is read in
   * both, and the language whose text the model trusts more is the recording's.
   */
  async #inLikelierLanguage(recognized: (RecognizedChunk | null)[]): Promise<(RecognizedChunk | null)[]> {
    const verdict = this.#verdict;
    if (verdict === undefined || verdict.probability >= DOUBTFUL_LANGUAGE || this.#chunks.length > 2) return recognized;
    if (verdict.runnerUp.language === verdict.language) return recognized;
    const { runnerUp } = verdict;
    const other = await Promise.all(this.#chunks.map((chunk) => this.#recognize(chunk, runnerUp.language)));
    if (meanLogprob(other) <= meanLogprob(recognized)) return recognized;
    this.#verdict = { ...runnerUp, runnerUp: { language: verdict.language, probability: verdict.probability } };
    return other;
  }

  /** What a chunk says in a language, or in the one that the recording's chunks agree on. */
  #recognize(chunk: PlacedChunk, language: string | undefined): Promise<RecognizedChunk | null> {
    const { options } = this.#request;
    const { words, task, beamSize } = options;
    return this.#environment.pool.recognize(
      {
        spool: this.#spoolPath,
        pieces: chunk.pieces,
        pauseBefore: chunk.pauseBefore,
        alone: this.#alone,
        options: {
          words,
          task,
          beamSize,
          ...(language === undefined ? {} : { language }),
          ...(options.prompt === undefined ? {} : { prompt: options.prompt }),
          ...(options.hotwords === undefined ? {} : { hotwords: options.hotwords }),
        },
      },
      {
        turn: this.#environment.turn,
        seconds: chunk.samples / SAMPLE_RATE,
        signal: this.#signal,
        decideLanguage: async (probabilities) => {
          if (chunk.index < BALLOTS_WANTED) this.#vote.cast(probabilities);
          this.#verdict = await this.#vote.verdict;
          return this.#verdict.language;
        },
      },
    );
  }

  #diarize(totalSamples: number): Promise<Diarization> {
    const { pool, turn, embeddingGraph } = this.#environment;
    return diarizeRecording({
      spoolPath: this.#spoolPath,
      embeddingGraph,
      classes: joinClasses(this.#classes),
      hopSamples: this.#hopSamples,
      totalSamples,
      options: this.#request.options,
      pool,
      run: { turn, signal: this.#signal },
      onProgress: (fraction) => this.#meter.diarized(fraction),
    });
  }

  /** Who speaks is worth less than what is said: where only the speakers fail, the words are still delivered. */
  async #orWarning(diarizing: Promise<Diarization> | undefined, warnings: Warning[]): Promise<Diarization | undefined> {
    try {
      return await diarizing;
    } catch (error) {
      const { code, message } = toDiaristError(error);
      if (!SPEAKERS_MISSING.has(code)) throw error;
      warnings.push({ code: 'diarization_unavailable', message: `The transcript has no speakers: ${message}` });
      return undefined;
    }
  }

  /** The quietest place of a stretch, in samples of the recording. */
  #quietest(startSample: number, endSample: number): number {
    this.#spool ??= AudioSpool.open(this.#spoolPath);
    return startSample + quietestOffset(this.#spool.read(startSample, endSample - startSample));
  }

  #models(): Record<string, string> {
    const { transcription, segmentation } = this.#environment.models;
    const models: Record<string, string> = { transcription: transcription!, voiceActivity: segmentation! };
    if (this.#request.options.diarize) models.diarization = `${segmentation} + ${EMBEDDING_MODEL}`;
    return models;
  }

  /** What went wrong first: work that was stopped because of it reports `cancelled`, which is no cause. */
  #firstFailure(error: unknown, outcomes: readonly PromiseSettledResult<unknown>[]): unknown {
    const failures = [
      error,
      this.#stop.signal.reason,
      ...outcomes.map((o) => (o.status === 'rejected' ? o.reason : undefined)),
    ];
    const isCause = (failure: unknown) =>
      failure instanceof Error && failure.name !== 'AbortError' && (failure as DiaristError).code !== 'cancelled';
    return failures.find(isCause) ?? new DiaristError('cancelled', 'Cancelled.');
  }

  #elapsed(): Seconds {
    return (performance.now() - this.#startedAt) / 1000;
  }
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

function joinClasses(windows: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(windows.length * WINDOW_FRAMES);
  windows.forEach((classes, index) => {
    joined.set(classes, index * WINDOW_FRAMES);
  });
  return joined;
}

const round = (seconds: Seconds): Seconds => Math.round(seconds * 1000) / 1000;
