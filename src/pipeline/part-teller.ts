import type { TranscriptPart } from './types.ts';

/**
 * Tells the parts of a transcript in order of time, whatever the order in which they are recognised. Nothing is told until
 * it is certain that what was recognised stays.
 */
export class PartTeller {
  readonly #onPart: ((part: TranscriptPart) => void) | undefined;
  readonly #ready = new Map<number, TranscriptPart>();
  #next = 0;
  #certain = false;

  constructor(onPart: ((part: TranscriptPart) => void) | undefined) {
    this.#onPart = onPart;
  }

  /** A part that was recognised; it takes the place of an earlier one of its index that was not told. */
  add(part: TranscriptPart): void {
    this.#ready.set(part.index, part);
    this.#tell();
  }

  /** What was and will be added stays. */
  makeCertain(): void {
    this.#certain = true;
    this.#tell();
  }

  #tell(): void {
    if (!this.#certain) return;
    for (let part = this.#ready.get(this.#next); part !== undefined; part = this.#ready.get(this.#next)) {
      this.#ready.delete(this.#next++);
      this.#onPart?.(part);
    }
  }
}
