import type { Seconds } from '../core/units.ts';
import type { Transcript } from '../transcript/types.ts';

export type Device = 'auto' | 'cpu' | 'cuda' | 'webgpu' | 'coreml';
export type ComputeType = 'auto' | 'int8' | 'float32' | 'float16';

/** What the engine is started with; a change of any of these needs another engine. */
export interface EngineSettings {
  /** Whisper model: a catalogue name, a folder, or `hub:org/name`. */
  readonly model: string;
  readonly device: Device;
  readonly computeType: ComputeType;
  /** Inference threads in total; 0 means as many as there are physical cores. */
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
}

/** A file on disk that ffmpeg may read; URLs and stdin are brought to disk by `audio/sources` first. */
export interface TranscribeRequest {
  readonly id: string;
  readonly path: string;
  readonly options: TranscribeOptions;
}

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
}

/** Recordings in, transcripts out. Chunks of requests that run at the same time share batches. */
export interface Transcriber {
  transcribe(request: TranscribeRequest, context?: RunContext): Promise<Transcript>;
  close(): Promise<void>;
}
