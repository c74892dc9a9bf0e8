/** Sizes of a Whisper model, as its weights tell them. */
export interface WhisperShape {
  readonly mels: number;
  readonly width: number;
  readonly heads: number;
  readonly encoderLayers: number;
  readonly decoderLayers: number;
  readonly vocabulary: number;
}

/** Every Whisper model attends over 1500 positions: 30 s at 50 a second. */
export const AUDIO_CONTEXT = 1500;
export const CHUNK_FRAMES = 3000;
export const CHUNK_SAMPLES = 480_000;
export const TEXT_CONTEXT = 448;
/** Width of one attention head, the same in every Whisper model. */
export const HEAD_WIDTH = 64;
