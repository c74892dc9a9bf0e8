/**
 * The catalogue of errors a person or a client can meet. Each has a stable code, a process exit code, an HTTP status
 * and whether trying again without a change can help. Every message is one sentence that says what to do.
 *
 * Exit codes: 1 unexpected failure or doctor found a problem, 2 wrong usage, 3 input cannot be read, 4 model missing or
 * broken, 5 the engine failed (crash, memory, time) or did less than asked for with --strict, 6 output cannot be written,
 * 7 network, 130 interrupted.
 */
export const ERROR_CATALOGUE = {
  usage: { exitCode: 2, httpStatus: 400, retryable: false },
  unknown_model: { exitCode: 2, httpStatus: 400, retryable: false },
  unknown_format: { exitCode: 2, httpStatus: 400, retryable: false },
  unknown_language: { exitCode: 2, httpStatus: 400, retryable: false },
  invalid_configuration: { exitCode: 2, httpStatus: 500, retryable: false },
  input_not_found: { exitCode: 3, httpStatus: 400, retryable: false },
  input_unreadable: { exitCode: 3, httpStatus: 400, retryable: false },
  input_empty: { exitCode: 3, httpStatus: 400, retryable: false },
  input_undecodable: { exitCode: 3, httpStatus: 400, retryable: false },
  input_no_audio: { exitCode: 3, httpStatus: 400, retryable: false },
  input_too_large: { exitCode: 3, httpStatus: 413, retryable: false },
  decoder_missing: { exitCode: 3, httpStatus: 500, retryable: false },
  model_missing: { exitCode: 4, httpStatus: 503, retryable: false },
  model_corrupt: { exitCode: 4, httpStatus: 500, retryable: false },
  model_unsupported: { exitCode: 4, httpStatus: 400, retryable: false },
  engine_crashed: { exitCode: 5, httpStatus: 500, retryable: true },
  engine_killed: { exitCode: 5, httpStatus: 500, retryable: true },
  engine_out_of_memory: { exitCode: 5, httpStatus: 500, retryable: false },
  engine_timeout: { exitCode: 5, httpStatus: 504, retryable: true },
  device_unavailable: { exitCode: 5, httpStatus: 400, retryable: false },
  strict_degraded: { exitCode: 5, httpStatus: 422, retryable: false },
  output_unwritable: { exitCode: 6, httpStatus: 500, retryable: false },
  data_damaged: { exitCode: 6, httpStatus: 500, retryable: false },
  disk_full: { exitCode: 6, httpStatus: 507, retryable: true },
  network: { exitCode: 7, httpStatus: 502, retryable: true },
  no_speech: { exitCode: 3, httpStatus: 400, retryable: false },
  invalid_request: { exitCode: 2, httpStatus: 400, retryable: false },
  unauthorized: { exitCode: 2, httpStatus: 401, retryable: false },
  forbidden: { exitCode: 2, httpStatus: 403, retryable: false },
  not_found: { exitCode: 2, httpStatus: 404, retryable: false },
  model_not_found: { exitCode: 2, httpStatus: 404, retryable: false },
  method_not_allowed: { exitCode: 2, httpStatus: 405, retryable: false },
  forbidden_address: { exitCode: 2, httpStatus: 400, retryable: false },
  input_gone: { exitCode: 3, httpStatus: 410, retryable: false },
  not_finished: { exitCode: 1, httpStatus: 409, retryable: false },
  request_timeout: { exitCode: 7, httpStatus: 408, retryable: true },
  rate_limited: { exitCode: 1, httpStatus: 429, retryable: true },
  quota_exceeded: { exitCode: 1, httpStatus: 429, retryable: false },
  queue_full: { exitCode: 1, httpStatus: 503, retryable: true },
  shutting_down: { exitCode: 1, httpStatus: 503, retryable: true },
  not_implemented: { exitCode: 2, httpStatus: 501, retryable: false },
  cancelled: { exitCode: 130, httpStatus: 499, retryable: false },
  internal: { exitCode: 1, httpStatus: 500, retryable: false },
} as const satisfies Record<string, { exitCode: number; httpStatus: number; retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/** An error with a place in the catalogue. `message` is shown to people as it is. */
export class DiaristError extends Error {
  override readonly name = 'DiaristError';
  readonly code: ErrorCode;
  /** Name of the field, option or setting that was wrong, where one was. */
  readonly param: string | undefined;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; param?: string }) {
    super(message, options);
    this.code = code;
    this.param = options?.param;
  }

  get exitCode(): number {
    return ERROR_CATALOGUE[this.code].exitCode;
  }

  get httpStatus(): number {
    return ERROR_CATALOGUE[this.code].httpStatus;
  }

  get retryable(): boolean {
    return ERROR_CATALOGUE[this.code].retryable;
  }
}

/** Wraps anything thrown into the catalogue; errors that are in it already pass through. */
export function toDiaristError(error: unknown, fallback: ErrorCode = 'internal'): DiaristError {
  if (error instanceof DiaristError) return error;
  const systemCode = (error as NodeJS.ErrnoException | undefined)?.code;
  if (systemCode === 'ENOSPC') {
    return new DiaristError('disk_full', 'The disk is full: free some space and run the same command again.', {
      cause: error,
    });
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return new DiaristError('cancelled', 'Cancelled.', { cause: error });
  }
  return new DiaristError(fallback, error instanceof Error ? error.message : String(error), { cause: error });
}
