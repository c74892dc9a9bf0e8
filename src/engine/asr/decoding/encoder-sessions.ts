import type { InferenceSession } from '../../../inference/session.ts';

/** Threads of an encoder session: this worker's share of the processor, or all of it. */
export interface EncoderThreads {
  readonly share: number;
  readonly all: number;
}

/**
 * The encoder in up to two sessions, opened when first needed: one with this worker's share of the threads for when every
 * worker has windows to encode, one with all threads for a window that is alone (Whisper base, 2 cores: 0.28 s instead of
 * 0.47 s). The number of threads of an open session cannot be changed.
 */
export class EncoderSessions {
  readonly #open: (threads: number) => Promise<InferenceSession>;
  readonly #threads: EncoderThreads;
  readonly #sessions = new Map<number, Promise<InferenceSession>>();

  constructor(threads: EncoderThreads, open: (threads: number) => Promise<InferenceSession>) {
    this.#threads = threads;
    this.#open = open;
  }

  session(alone: boolean): Promise<InferenceSession> {
    const threads = alone ? this.#threads.all : this.#threads.share;
    let session = this.#sessions.get(threads);
    if (session === undefined) {
      session = this.#open(threads);
      this.#sessions.set(threads, session);
      // A session that could not be opened (memory) may open the next time.
      session.catch(() => this.#sessions.delete(threads));
    }
    return session;
  }

  async release(): Promise<void> {
    for (const session of this.#sessions.values()) await (await session).release();
  }
}
