import type { Seconds } from '../core/units.ts';
import type { Transcript, Word } from '../transcript/types.ts';

export type Device = 'auto' | 'cpu' | 'cuda' | 'webgpu' | 'coreml';
export type ComputeType = 'auto' | 'int8' | 'float32' | 'float16';

/** What the engine is started with; a change of any of these needs another engine. */
export interface EngineSettings {
  /** Whisper model: a catalogue name, a folder, or `hub:org/name`. */
  readonly model: string;
  readonly device: Device;
  readonly computeType: ComputeType;
  /** Inference threads in total; 0 means as many as there are logical processors. */
  readonly threads: number;
  /** Chunks decoded together; 0 lets the engine choose. */
  readonly batchSize: number;
  /** Folder of models and graphs (`DIARIST_CACHE`). */
  readonly cacheDir: string;
  /** Folder of spool files (`DIARIST_DATA`). */
  readonly dataDir: string;
  /** A longer recording is refused with `input_too_large`; absent means any length. */
  readonly maxInputSeconds?: Seconds;
}

/** What one recording is to be transcribed with. */
export interface TranscribeOptions {
  /** ISO 639-1 code; absent means detect. */
  readonly language?: string;
  readonly task: 'transcribe' | 'translate';
  readonly diarize: boolean;
  readonly words: boolean;
  readonly speakers?: number;
  readonly minSpeakers?: number;
  readonly maxSpeakers?: number;
  readonly prompt?: string;
  readonly hotwords?: string;
  /** 1 is greedy. */
  readonly beamSize: number;
  /** Fail with `strict_degraded` instead of a warning when something asked for could not be done. */
  readonly strict: boolean;
  readonly speakerEmbeddings: boolean;
  /** Voices that have names. A speaker gets one only where the voices are alike enough; a stranger never does. */
  readonly knownSpeakers?: readonly KnownSpeaker[];
}

/** A name and the unit-length embedding of a voice, as {@link Transcriber.embedVoice} computes it. */
export interface KnownSpeaker {
  readonly name: string;
  readonly embedding: readonly number[];
  /** What the embedding was computed from (SHA-256): the same voice again may differ in the last bits of its numbers. */
  readonly reference?: string;
}

/** A file on disk that ffmpeg may read; URLs and stdin are brought to disk by `audio/sources` first. */
export interface TranscribeRequest {
  readonly id: string;
  readonly path: string;
  readonly options: TranscribeOptions;
  /** Headerless 16-bit little-endian samples, 16 kHz, mono; absent where ffmpeg is to find out. */
  readonly format?: 's16le';
  /**
   * Folder that keeps what is finished (decoded audio, speech classes, chunks, embeddings), so that the same request goes
   * on from there after a crash. The caller owns it and removes it. Absent: nothing is kept.
   */
  readonly workFolder?: string;
  /**
   * Requests of one flow go in order of arrival; flows share the engine in turn, chunk by chunk, in proportion to `weight`
   * (default 1). Absent: a flow of its own that leaves no room for others to come.
   */
  readonly turn?: { readonly flow: string; readonly weight?: number };
}

/** A piece of the transcript that is certain already; pieces come in order of time. */
export interface TranscriptPart {
  /** Position of the chunk in the recording, from 0 without gaps. */
  readonly index: number;
  readonly start: Seconds;
  readonly end: Seconds;
  /** Text of the chunk without surrounding space; empty where nothing was said. */
  readonly text: string;
  readonly language: string;
  readonly words: readonly Word[];
  /** Mean natural logarithm of the probabilities of the text's tokens; 0 where nothing was said. */
  readonly avgLogprob: number;
}

export interface DetectedLanguage {
  /** ISO 639-1 code. */
  readonly language: string;
  readonly probability: number;
}

/** What an engine can say about itself. */
export interface EngineStatus {
  readonly model: string;
  readonly state: 'stopped' | 'starting' | 'ready';
  /** Where inference runs: `cpu`, `cuda` …; absent until it has started. */
  readonly device?: string;
  readonly pid?: number;
  readonly residentBytes?: number;
  readonly running: number;
  /** Of the process that runs now; absent until it has told. */
  readonly metrics?: EngineMetrics;
}

/** What an engine process has done since its start; every number only grows, but for `batchCapacity`. */
export interface EngineMetrics {
  /** Steps of the decoder; each advances all windows of one batch by a token. */
  readonly decoderSteps: number;
  /** Windows in those steps: over `decoderSteps * batchCapacity` it is how full the batches were. */
  readonly decodedWindows: number;
  readonly batchCapacity: number;
  /** Seconds that tasks of a kind (`segment`, `recognize` …) were held by workers, summed over tasks that overlap. */
  readonly taskSeconds: Readonly<Record<string, Seconds>>;
}

export type VoiceRequest = Pick<TranscribeRequest, 'id' | 'path' | 'format'>;

export type Stage = 'models' | 'decode' | 'segment' | 'transcribe' | 'diarize' | 'merge';

/** Progress of one request. `fraction` (0 to 1) is of the whole request and never falls. */
export interface Progress {
  readonly id: string;
  readonly stage: Stage;
  readonly fraction: number;
  readonly audioSeconds: Seconds;
  /** Seconds of audio transcribed so far. */
  readonly doneSeconds: Seconds;
}

export interface RunContext {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** Told as chunks are recognised, in order of time. After a crash it goes on behind the last part told. */
  readonly onPart?: (part: TranscriptPart) => void;
}

/** Recordings in, transcripts out. Chunks of requests that run at the same time share batches. */
export interface Transcriber {
  transcribe(request: TranscribeRequest, context?: RunContext): Promise<Transcript>;
  /** Language of the first minutes of speech; goes before what waits. Null where nobody speaks. */
  detectLanguage(request: VoiceRequest, context?: RunContext): Promise<DetectedLanguage | null>;
  /** Unit-length embedding of the one voice in a recording. Throws `no_speech` where nobody speaks. */
  embedVoice(request: VoiceRequest, context?: RunContext): Promise<readonly number[]>;
  close(): Promise<void>;
}

/** A transcriber that runs inference itself, and what its process tells about it. */
export interface Engine extends Transcriber {
  /** Where inference runs: `cpu`, `cuda` … */
  readonly device?: string;
  /** Resolves when the engine can do no more work; its process had better end. */
  readonly failed?: Promise<Error>;
  metrics?(): EngineMetrics;
}
