import { AudioSpool } from '../audio/spool.ts';
import { quietestOffset } from '../engine/vad/quietest.ts';

/** Finds where a recording is quietest, while it is still being decoded; opens its spool when first asked. */
export class QuietestPlace implements Disposable {
  readonly #path: string;
  #spool: AudioSpool | undefined;

  constructor(spoolPath: string) {
    this.#path = spoolPath;
  }

  /** The quietest place of a stretch, in samples of the recording. */
  within(startSample: number, endSample: number): number {
    this.#spool ??= AudioSpool.open(this.#path);
    return startSample + quietestOffset(this.#spool.read(startSample, endSample - startSample));
  }

  [Symbol.dispose](): void {
    this.#spool?.close();
  }
}
