import { type DecodedAudio, decodeToSpool } from '../audio/decode.ts';
import { DiaristError, toDiaristError } from '../core/errors.ts';
import { SAMPLE_RATE, type Seconds } from '../core/units.ts';
import type { Diarization } from '../engine/diarization/diarize.ts';
import { type Chunk, ChunkPacker } from '../engine/vad/chunking.ts';
import { type SpeechRegion, SpeechRegionDetector } from '../engine/vad/speech-regions.ts';
import { WINDOW_FRAMES, WINDOW_SAMPLES, windowCount } from '../inference/segmentation/geometry.ts';
import type { RecognizedChunk } from '../transcript/recognized.ts';
import { type Segment, TRANSCRIPT_SCHEMA, type Transcript, type Warning } from '../transcript/types.ts';
import { joinSegmentTexts } from '../transcript/word-text.ts';
import { Checkpoint } from './checkpoint.ts';
import { ChunkReader, type PlacedChunk } from './chunk-reader.ts';
import { diarizeRecording } from './diarization.ts';
import { EMBEDDING_MODEL } from './engine-plan.ts';
import { buildSegments } from './merge/build-segments.ts';
import { ProgressMeter } from './progress-meter.ts';
import { QuietestPlace } from './quietest-place.ts';
import { HOP_FOR_SPEECH, WINDOWS_PER_TASK } from './speech-search.ts';
import { withSpool } from './spool-file.ts';
import { StageClock } from './stage-clock.ts';
import type { RunContext, TranscribeRequest } from './types.ts';
import type { Turn } from './worker/fair-lane.ts';
import type { InferencePool } from './worker/inference-pool.ts';

/** Hop of the segmentation windows: speakers are counted right where four windows hear every frame. */
const HOP_WITH_SPEAKERS = 2.5 * SAMPLE_RATE;

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
  /** Names everything of the engine that results depend on. */
  readonly identity: string;
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
  if (request.workFolder === undefined) {
    return withSpool(environment.dataDir, (spoolPath) =>
      new RecordingRun(request, environment, context, { spoolPath }).run(),
    );
  }
  const checkpoint = await Checkpoint.open(request.workFolder, request, environment.identity);
  try {
    const files = { spoolPath: checkpoint.audioPath, checkpoint };
    return await new RecordingRun(request, environment, context, files).run();
  } finally {
    checkpoint.close();
  }
}

interface RecordingFiles {
  /** Receives the decoded audio, or holds it already where the checkpoint says so. */
  readonly spoolPath: string;
  readonly checkpoint?: Checkpoint;
}

class RecordingRun {
  readonly #request: TranscribeRequest;
  readonly #environment: RecordingEnvironment;
  readonly #spoolPath: string;
  readonly #checkpoint: Checkpoint | undefined;
  readonly #clock = new StageClock();
  readonly #reader: ChunkReader;
  readonly #meter: ProgressMeter;
  /** Aborted when anyone aborts or any stage fails, so that no work goes on that nobody needs. */
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #hopSamples: number;
  readonly #detector: SpeechRegionDetector;
  readonly #quietest: QuietestPlace;
  readonly #packer: ChunkPacker;
  readonly #classes: Uint8Array[] = [];
  readonly #segmenting: Promise<void>[] = [];
  readonly #chunks: PlacedChunk[] = [];
  readonly #recognizing: Promise<RecognizedChunk | null>[] = [];
  #scheduledWindows = 0;
  #lastChunkEnd = 0;
  #alone = false;

  constructor(
    request: TranscribeRequest,
    environment: RecordingEnvironment,
    context: RunContext,
    { spoolPath, checkpoint }: RecordingFiles,
  ) {
    this.#request = request;
    this.#environment = environment;
    this.#spoolPath = spoolPath;
    this.#checkpoint = checkpoint;
    this.#signal = AbortSignal.any([this.#stop.signal, ...(context.signal === undefined ? [] : [context.signal])]);
    this.#meter = new ProgressMeter(request.id, request.options.diarize, context.onProgress);
    this.#hopSamples = request.options.diarize ? HOP_WITH_SPEAKERS : HOP_FOR_SPEECH;
    this.#detector = new SpeechRegionDetector({ hopSamples: this.#hopSamples });
    this.#quietest = new QuietestPlace(spoolPath);
    this.#packer = new ChunkPacker({ quietest: (start, end) => this.#quietest.within(start, end) });
    this.#reader = new ChunkReader({
      spoolPath,
      checkpoint,
      pool: environment.pool,
      run: { turn: environment.turn, signal: this.#signal },
      options: request.options,
      onPart: context.onPart,
    });
  }

  async run(): Promise<Transcript> {
    try {
      return await this.#run();
    } catch (error) {
      this.#stop.abort(error);
      const outcomes = await Promise.allSettled([...this.#segmenting, ...this.#recognizing]);
      throw this.#firstFailure(error, outcomes);
    } finally {
      this.#quietest[Symbol.dispose]();
    }
  }

  async #run(): Promise<Transcript> {
    const { options } = this.#request;
    const audio = await this.#clock.time('decode', this.#decode());
    this.#scheduleWindows(windowCount(audio.samples, this.#hopSamples));
    await Promise.all(this.#segmenting);
    this.#takeRegions(this.#detector.flush(audio.samples));
    const last = this.#packer.flush(audio.samples);
    // A dictation: nothing else of this recording, nor of another, can use the other workers.
    this.#alone = this.#chunks.length + last.length === 1 && this.#environment.pool.isIdle;
    this.#schedule(last);
    this.#reader.foundAll(this.#chunks.length);

    const warnings: Warning[] = [...this.#environment.notes, ...audio.warnings];
    const diarizing =
      options.diarize && this.#recognizing.length > 0
        ? this.#clock.time('diarize', this.#diarize(audio.samples))
        : undefined;
    diarizing?.catch(() => undefined);
    const read = await Promise.all(this.#recognizing);
    const recognized = await this.#clock.time('recognize', this.#reader.settle(this.#chunks, read));
    const diarization = await this.#orWarning(diarizing, warnings);
    warnings.push(...(diarization?.warnings ?? []));
    this.#meter.merging();
    const chunks = recognized.filter((chunk) => chunk !== null);
    const { verdict } = this.#reader;
    const language = options.language ?? verdict?.language ?? chunks[0]?.language ?? null;
    const segments = buildSegments(chunks, {
      language,
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
    const spoken = segments.length > 0;
    return {
      schema: TRANSCRIPT_SCHEMA,
      text: joinSegmentTexts(segments),
      language: spoken ? language : null,
      languageProbability: spoken ? (options.language === undefined ? (verdict?.probability ?? 1) : 1) : null,
      task: options.task,
      duration: audio.samples / SAMPLE_RATE,
      segments: options.words ? segments : segments.map(withoutWords),
      turns: spoken ? (diarization?.turns ?? []) : [],
      speakers: spoken ? (diarization?.speakers ?? []) : [],
      warnings,
      models: this.#models(diarization !== undefined),
      timings: this.#clock.read(),
    };
  }

  async #decode(): Promise<Pick<DecodedAudio, 'samples' | 'warnings'>> {
    const kept = this.#checkpoint?.audio;
    if (kept !== undefined) {
      this.#meter.decoded(kept.samples / SAMPLE_RATE, kept.samples / SAMPLE_RATE);
      return kept;
    }
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
    // Nothing waits for the disk: until then a crash only costs the decoding.
    void this.#checkpoint?.keepAudio(audio);
    return audio;
  }

  /** Hands windows up to `count` to the workers. */
  #scheduleWindows(count: number): void {
    while (this.#scheduledWindows < count) {
      const first = this.#scheduledWindows;
      const size = Math.min(WINDOWS_PER_TASK, count - first);
      this.#scheduledWindows += size;
      this.#segmenting.push(this.#clock.time('segment', this.#segment(first, size)));
    }
    // A failure is noticed where all are awaited; until then it must not count as unhandled.
    for (const task of this.#segmenting) task.catch((error) => this.#stop.abort(error));
  }

  async #segment(first: number, size: number): Promise<void> {
    const classes = this.#checkpoint?.classes(first, size) ?? (await this.#classify(first, size));
    for (let index = 0; index < size; index++) {
      const window = classes.subarray(index * WINDOW_FRAMES, (index + 1) * WINDOW_FRAMES);
      if (this.#request.options.diarize) this.#classes[first + index] = window;
      this.#takeRegions(this.#detector.push(first + index, window));
    }
    this.#meter.segmented((size * this.#hopSamples) / SAMPLE_RATE);
  }

  async #classify(first: number, size: number): Promise<Uint8Array> {
    const startSamples = Array.from({ length: size }, (_, index) => (first + index) * this.#hopSamples);
    const classes = await this.#environment.pool.segment(
      { spool: this.#spoolPath, startSamples },
      { turn: this.#environment.turn, signal: this.#signal },
    );
    this.#checkpoint?.keepClasses(first, classes);
    return classes;
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
      const work = this.#clock.time('recognize', this.#reader.read(placed, this.#alone));
      work.catch((error) => this.#stop.abort(error));
      this.#recognizing.push(work);
      work.then(() => this.#meter.recognized(chunk.samples / SAMPLE_RATE)).catch(() => undefined);
    }
  }

  #diarize(totalSamples: number): Promise<Diarization> {
    const { pool, turn, embeddingGraph } = this.#environment;
    return diarizeRecording({
      spoolPath: this.#spoolPath,
      embeddingGraph,
      checkpoint: this.#checkpoint,
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

  #models(diarized: boolean): Record<string, string> {
    const { transcription, segmentation } = this.#environment.models;
    const models: Record<string, string> = { transcription: transcription!, voiceActivity: segmentation! };
    if (diarized) models.diarization = `${segmentation} + ${EMBEDDING_MODEL}`;
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
}

/** Their times have cut the segments and found the speakers. */
function withoutWords({ words: _, ...segment }: Segment): Segment {
  return segment;
}

function joinClasses(windows: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(windows.length * WINDOW_FRAMES);
  windows.forEach((classes, index) => {
    joined.set(classes, index * WINDOW_FRAMES);
  });
  return joined;
}
