export type ModelRole = 'whisper' | 'segmentation' | 'embedding' | 'vad' | 'sample';

/** A model that stands on disk, verified. */
export interface ResolvedModel {
  /** Catalogue name, or the reference that was given. */
  readonly name: string;
  readonly role: ModelRole;
  /** Absolute folder that holds `files`. */
  readonly dir: string;
  /** File that holds the weights, absolute. */
  readonly weights: string;
  readonly format: 'ctranslate2' | 'safetensors' | 'torch' | 'onnx' | 'wav';
  /** Identifies the weights' bytes: SHA-256 where known, else a hash over size and content samples. Keys the graph cache. */
  readonly weightHash: string;
  readonly licence: string;
}
