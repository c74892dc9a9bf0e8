/** Longest stretch of computing between two looks at what else is waiting. */
const BUSY_MS = 50;

/** Runs once timers, messages and finished reads have had their turn. */
const afterOthers = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Lets a long computation share its thread: messages are answered and heartbeats sent while it goes on. */
export class Breather {
  #since = performance.now();

  /** To be awaited now and then; gives way only where the last time was 50 ms ago. */
  async breathe(): Promise<void> {
    if (performance.now() - this.#since < BUSY_MS) return;
    await afterOthers();
    this.#since = performance.now();
  }
}
