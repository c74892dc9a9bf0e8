import type { HubRepository, PinnedFile, PythonPackage } from '../catalogue/entry.ts';
import type { ModelRole, ResolvedModel } from '../types.ts';

/** Everything that is known about a wanted model before it is found. */
export interface ModelPlan {
  /** Name of its folder in the store. */
  readonly key: string;
  readonly name: string;
  readonly role: ModelRole;
  readonly licence: string;
  /** Bytes on disk, as far as known before it is fetched. */
  readonly bytes?: number;
  readonly format?: ResolvedModel['format'];
  readonly weights?: string;
  /** Files that must be there with exactly these bytes. */
  readonly pinned: readonly PinnedFile[];
  readonly hub?: HubRepository;
  readonly python?: readonly PythonPackage[];
}

/** A file of a fetched model, whose bytes were checked. */
export interface StoredFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface FetchContext {
  /** Folder of this source for this model; what is left in it lets an interrupted fetch go on. */
  readonly dir: string;
  readonly signal?: AbortSignal;
  readonly onProgress: (receivedBytes: number, totalBytes: number) => void;
}

export interface FetchedModel {
  /** Folder that holds exactly the model's files. */
  readonly dir: string;
  readonly files: readonly StoredFile[];
  /** Where it came from, for the manifest, e.g. `huggingface:Systran/faster-whisper-base@COMMIT`. */
  readonly origin: string;
}

/** A place on the network that models are fetched from. */
export interface NetworkSource {
  readonly id: string;
  /** What people call it. */
  readonly label: string;
  /** Why this source cannot serve the model, as the end of a sentence; null where it may be asked. */
  unavailable(plan: ModelPlan): string | null;
  /** Fetches and checks every file. Throws DiaristError; what was received stays in `context.dir`. */
  fetch(plan: ModelPlan, context: FetchContext): Promise<FetchedModel>;
}
