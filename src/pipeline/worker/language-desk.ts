import type { FairLane } from './fair-lane.ts';

/** Told to a worker in place of a language: the chunk is to give its slot back and come again. */
export const COME_AGAIN = null;

/**
 * Chunks that hold a slot while their recording decides on its language. What decides may be chunks that wait for a slot:
 * where all who hold one only wait, nobody would ever get on. Then they give theirs back.
 */
export class LanguageDesk {
  readonly #lane: FairLane;
  readonly #replies = new Set<(language: string | typeof COME_AGAIN) => void>();

  /** `lane`: where chunks are recognised. */
  constructor(lane: FairLane) {
    this.#lane = lane;
  }

  /** Replies with the language once it is decided, or earlier with {@link COME_AGAIN}. */
  ask(
    decided: Promise<string>,
    reply: (language: string | typeof COME_AGAIN) => void,
    signal: AbortSignal | undefined,
  ): void {
    const forget = (): void => void this.#replies.delete(reply);
    this.#replies.add(reply);
    signal?.addEventListener('abort', forget, { once: true });
    void decided.then((language) => {
      signal?.removeEventListener('abort', forget);
      if (this.#replies.delete(reply)) reply(language);
    });
    this.checkForStandstill();
  }

  /** To be called whenever a chunk has come to wait for a slot, and whenever one has got through. */
  checkForStandstill(): void {
    if (!this.#lane.hasWaiting || this.#replies.size < this.#lane.running) return;
    const replies = [...this.#replies];
    this.#replies.clear();
    for (const reply of replies) reply(COME_AGAIN);
  }
}
