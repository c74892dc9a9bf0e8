import { DiaristError } from '../../core/errors.ts';

/** What ends a wait for a turn before the turn comes. */
export interface Patience {
  /** The caller hangs up. */
  readonly hangUp: AbortSignal | undefined;
  /** The server is told to stop. */
  readonly closing: AbortSignal;
}

/** What `awaited` gives. Throws `cancelled` where the caller hangs up meanwhile, and `shutting_down` where the server stops. */
export async function waitPatiently<T>(awaited: Promise<T>, { hangUp, closing }: Patience): Promise<T> {
  const ended = Promise.withResolvers<never>();
  const onHangUp = (): void =>
    ended.reject(new DiaristError('cancelled', 'The client hung up before it was its turn.'));
  const onClosing = (): void =>
    ended.reject(new DiaristError('shutting_down', 'The server is being stopped: send the request again in a moment.'));
  if (hangUp?.aborted) onHangUp();
  if (closing.aborted) onClosing();
  hangUp?.addEventListener('abort', onHangUp);
  closing.addEventListener('abort', onClosing);
  try {
    return await Promise.race([awaited, ended.promise]);
  } finally {
    hangUp?.removeEventListener('abort', onHangUp);
    closing.removeEventListener('abort', onClosing);
  }
}
