import type { DetectedLanguage, EngineStatus, RunContext, TranscribeRequest, VoiceRequest } from '../pipeline/types.ts';
import type { Transcript } from '../transcript/types.ts';

/**
 * The engines of this machine: one process a model, started on demand, ended when idle or when another model needs the
 * memory. Everything a caller needs to run a recording with any model.
 */
export interface Engines {
  transcribe(model: string, request: TranscribeRequest, context?: RunContext): Promise<Transcript>;
  detectLanguage(model: string, request: VoiceRequest, context?: RunContext): Promise<DetectedLanguage | null>;
  embedVoice(request: VoiceRequest, context?: RunContext): Promise<readonly number[]>;
  /** True where the model's engine runs, or could be started now without passing the memory cap or stopping work. */
  hasRoomFor(model: string): boolean;
  /** Starts a model's engine; one start at a time a model, whoever asks. */
  load(model: string): Promise<void>;
  /** Ends the engines that have nothing to do. */
  unloadIdle(): Promise<void>;
  status(): readonly EngineStatus[];
  close(): Promise<void>;
}
