import { DiaristError, type ErrorCode } from '../core/errors.ts';
import type { EngineMetrics, EngineSettings, Progress, Transcriber, TranscriptPart } from '../pipeline/types.ts';

/** What can be asked of an engine, by the names of {@link Transcriber}. */
export type EngineMethod = Exclude<keyof Transcriber, 'close'>;
export type RequestOf<M extends EngineMethod> = Parameters<Transcriber[M]>[0];
export type ResultOf<M extends EngineMethod> = Awaited<ReturnType<Transcriber[M]>>;

/** One call of a method with its request. */
export type EngineCall = {
  readonly [M in EngineMethod]: { readonly method: M; readonly request: RequestOf<M> };
}[EngineMethod];

/**
 * What the parent and the engine process say to each other over the channel of `child_process.fork`. `ticket` names one
 * attempt at one request: ids of requests are the caller's and may repeat.
 */
export type ToEngine =
  | {
      readonly type: 'start';
      /** `dataDir` is a folder of this engine process alone, removed when it has ended. */
      readonly settings: EngineSettings;
      readonly heartbeatMs: number;
    }
  | { readonly type: 'call'; readonly ticket: number; readonly call: EngineCall }
  | { readonly type: 'cancel'; readonly ticket: number }
  | { readonly type: 'close' };

export type FromEngine =
  /** The transcriber stands: from here on heartbeats come. `device` is where inference runs. */
  | { readonly type: 'ready'; readonly device: string | undefined }
  | { readonly type: 'startup-failed'; readonly error: TransportedError }
  | { readonly type: 'heartbeat'; readonly residentBytes: number; readonly metrics: EngineMetrics | undefined }
  | { readonly type: 'progress'; readonly ticket: number; readonly progress: Progress }
  | { readonly type: 'part'; readonly ticket: number; readonly part: TranscriptPart }
  /** `result` is of the method that was called. */
  | { readonly type: 'result'; readonly ticket: number; readonly result: ResultOf<EngineMethod> }
  | { readonly type: 'failed'; readonly ticket: number; readonly error: TransportedError };

/** A DiaristError as it crosses processes: structured cloning keeps an error's message but not its code. */
export interface TransportedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack: string | undefined;
}

export function packError(error: DiaristError): TransportedError {
  const origin = error.cause instanceof Error ? error.cause : error;
  return { code: error.code, message: error.message, stack: origin.stack };
}

/** The error again; its `cause` carries the stack of the engine process. */
export function unpackError(packed: TransportedError): DiaristError {
  const cause = new Error(packed.message);
  cause.stack = packed.stack ?? '';
  return new DiaristError(packed.code, packed.message, { cause });
}
