import { AudioSpool } from '../../audio/spool.ts';
import { isWrittenWithoutSpaces } from '../../core/languages.ts';
import { SAMPLE_RATE } from '../../core/units.ts';
import { WordAligner } from '../../engine/alignment/aligner.ts';
import { alignmentFrames } from '../../engine/alignment/token-times.ts';
import { placeWords } from '../../engine/alignment/words.ts';
import type { RecognizedWindow } from '../../engine/asr/decoding/recognizer.ts';
import { isSilence } from '../../engine/asr/guards.ts';
import { isPhantom } from '../../engine/asr/guards-phantoms.ts';
import { openWhisper } from '../../engine/asr/whisper.ts';
import { embedRanges } from '../../engine/diarization/embed-ranges.ts';
import { EmbeddingModel } from '../../engine/diarization/embedding-model.ts';
import { type ChunkPiece, chunkSamples, samplesOf } from '../../engine/vad/chunking.ts';
import { WINDOW_FRAMES, WINDOW_SAMPLES } from '../../inference/segmentation/geometry.ts';
import { SegmentationModel } from '../../inference/segmentation/model.ts';
import { openSession } from '../../inference/session.ts';
import type { Word } from '../../transcript/types.ts';
import { COME_AGAIN } from './language-desk.ts';
import type { WorkerResult, WorkerSetup, WorkerTask } from './protocol.ts';

export interface TaskContext {
  readonly cancelled: () => boolean;
  /** Asks the recording which language to decode in, given what this chunk sounds like. */
  readonly askLanguage: (probabilities: ReadonlyMap<string, number>) => Promise<string | typeof COME_AGAIN>;
}

/** The chunk gives its slot back, and is recognised when its recording's language is known. */
class Deferred extends Error {}

/** Segmentation windows run together: more only costs memory. */
const SEGMENTATION_BATCH = 4;

/** What a worker can do, with each model opened when it is first needed. */
export class Kernels {
  readonly #setup: WorkerSetup;
  readonly #aligner = new WordAligner();
  #whisper: ReturnType<typeof openWhisper> | undefined;
  #segmentation: Promise<SegmentationModel> | undefined;
  #embedding: Promise<EmbeddingModel> | undefined;

  constructor(setup: WorkerSetup) {
    this.#setup = setup;
  }

  run(task: WorkerTask, context: TaskContext): Promise<WorkerResult> {
    switch (task.kind) {
      case 'segment':
        return this.#segment(task);
      case 'recognize':
        return this.#recognize(task, context);
      case 'hear':
        return this.#hear(task, context);
      case 'embed':
        return this.#embed(task);
    }
  }

  async #segment(task: Extract<WorkerTask, { kind: 'segment' }>): Promise<WorkerResult> {
    this.#segmentation ??= this.#openSegmentation();
    const model = await this.#segmentation;
    using spool = AudioSpool.open(task.spool);
    const classes = new Uint8Array(task.startSamples.length * WINDOW_FRAMES);
    for (let from = 0; from < task.startSamples.length; from += SEGMENTATION_BATCH) {
      const starts = task.startSamples.slice(from, from + SEGMENTATION_BATCH);
      const windows = new Float32Array(starts.length * WINDOW_SAMPLES);
      starts.forEach((start, index) => {
        spool.read(start, WINDOW_SAMPLES, windows.subarray(index * WINDOW_SAMPLES));
      });
      classes.set(await model.run(windows, starts.length), from * WINDOW_FRAMES);
    }
    return { kind: 'segment', classes };
  }

  async #recognize(task: Extract<WorkerTask, { kind: 'recognize' }>, context: TaskContext): Promise<WorkerResult> {
    const { recognizer, tokenizer } = await this.#openWhisper();
    const { options } = task;
    let level = 0;
    const ask = async (probabilities: ReadonlyMap<string, number>): Promise<string> => {
      const language = await context.askLanguage(probabilities);
      if (language === COME_AGAIN) throw new Deferred();
      return language;
    };
    const samples = samplesOf(task.pieces);
    const recognizing = recognizer.recognize({
      seconds: samples / SAMPLE_RATE,
      audio: () => {
        const samples = readPieces(task.spool, task.pieces);
        level = levelDb(samples);
        return samples;
      },
      language: options.language ?? ask,
      task: options.task,
      ...(options.prompt === undefined ? {} : { prompt: options.prompt }),
      ...(options.hotwords === undefined ? {} : { hotwords: options.hotwords }),
      beams: options.beamSize,
      attention: options.words,
      alone: task.alone,
      cancelled: context.cancelled,
    });
    const window = await recognizing.catch((error: unknown) => {
      if (error instanceof Deferred) return undefined;
      throw error;
    });
    const load = recognizer.takeLoad();
    if (window === undefined) return { kind: 'recognize', chunk: null, deferred: true, load };
    const evidence = { avgLogprob: window.avgLogprob, noSpeechProb: window.noSpeechProb, levelDb: level };
    if (window.text.trim() === '' || isSilence(evidence) || isPhantom(window.text, evidence)) {
      return { kind: 'recognize', chunk: null, deferred: false, load };
    }
    const words = options.words ? this.#words(task, window, tokenizer) : [];
    const chunk = {
      start: task.pieces[0]!.startSample / SAMPLE_RATE,
      end: task.pieces.at(-1)!.endSample / SAMPLE_RATE,
      text: window.text.trim(),
      words,
      tokens: window.tokens,
      avgLogprob: window.avgLogprob,
      temperature: window.temperature,
      compressionRatio: window.compressionRatio,
      noSpeechProb: window.noSpeechProb,
      language: window.language,
    };
    return { kind: 'recognize', chunk, deferred: false, load };
  }

  #words(
    task: Extract<WorkerTask, { kind: 'recognize' }>,
    window: RecognizedWindow,
    tokenizer: Awaited<ReturnType<typeof openWhisper>>['tokenizer'],
  ): Word[] {
    const { attention, frames, heads } = window;
    const rowSize = heads * frames;
    const data = new Float32Array(attention.length * rowSize);
    attention.forEach((row, index) => {
      data.set(row, index * rowSize);
    });
    let chunkStart = 0;
    const pieces = task.pieces.map(({ startSample, endSample }) => {
      const piece = { chunkStart, start: startSample / SAMPLE_RATE, duration: (endSample - startSample) / SAMPLE_RATE };
      chunkStart += piece.duration;
      return piece;
    });
    const language = task.options.task === 'translate' ? 'en' : window.language;
    const words = this.#aligner.align(
      {
        groups: tokenizer.splitToWords(window.tokens, language),
        probabilities: window.tokenProbabilities,
        duration: chunkStart,
        pauseBefore: task.pauseBefore,
        spaced: !isWrittenWithoutSpaces(language),
      },
      {
        scores: {
          data,
          heads,
          headStride: frames,
          rowOffsets: Int32Array.from({ length: attention.length }, (_, row) => row * rowSize),
          softmaxed: true,
        },
        frames: alignmentFrames(chunkStart, frames),
        firstRow: window.firstRow,
      },
    );
    return placeWords(words, pieces);
  }

  async #hear(task: Extract<WorkerTask, { kind: 'hear' }>, context: TaskContext): Promise<WorkerResult> {
    const { recognizer } = await this.#openWhisper();
    const probabilities = await recognizer.hear({
      audio: () => readPieces(task.spool, task.pieces),
      alone: task.alone,
      cancelled: context.cancelled,
    });
    return { kind: 'hear', probabilities };
  }

  async #embed(task: Extract<WorkerTask, { kind: 'embed' }>): Promise<WorkerResult> {
    this.#embedding ??= this.#openEmbedding(task.graph);
    const model = await this.#embedding;
    using spool = AudioSpool.open(task.spool);
    return { kind: 'embed', embeddings: await embedRanges(spool, task.items, model) };
  }

  #openWhisper(): ReturnType<typeof openWhisper> {
    const { provider, threads, allThreads, arena, capacity } = this.#setup;
    this.#whisper ??= openWhisper(this.#setup.whisper, { provider, threads, allThreads, arena, capacity });
    return this.#whisper;
  }

  async #openEmbedding(graph: string): Promise<EmbeddingModel> {
    const { provider, threads, arena } = this.#setup;
    return new EmbeddingModel(await openSession(graph, { provider, threads, arena }));
  }

  async #openSegmentation(): Promise<SegmentationModel> {
    const { segmentation, provider, threads, arena } = this.#setup;
    return new SegmentationModel(await openSession(segmentation, { provider, threads, arena }));
  }
}

function readPieces(path: string, pieces: readonly ChunkPiece[]): Float32Array {
  using spool = AudioSpool.open(path);
  return chunkSamples({ pieces, samples: samplesOf(pieces) }, (start, count, target) =>
    spool.read(start, count, target),
  );
}

/** Root mean square in dB of full scale. */
function levelDb(samples: Float32Array): number {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  return 10 * Math.log10(energy / Math.max(1, samples.length) + 1e-12);
}
