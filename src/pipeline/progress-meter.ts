import type { Seconds } from '../core/units.ts';
import type { Progress, Stage } from './types.ts';

/** Share of the work by stage, about as the processor spends its time; with speakers, the last one takes its part. */
const WEIGHTS = { decode: 0.03, segment: 0.17, transcribe: 0.8 } as const;
const DIARIZE_WEIGHT = 0.2;

/** Turns what the stages report into one fraction that never falls. */
export class ProgressMeter {
  readonly #id: string;
  readonly #diarize: boolean;
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  #total: Seconds = 0;
  #decoded: Seconds = 0;
  #segmented: Seconds = 0;
  #found: Seconds = 0;
  #recognized: Seconds = 0;
  #diarized = 0;
  #fraction = 0;
  #merging = false;

  constructor(id: string, diarize: boolean, onProgress: ((progress: Progress) => void) | undefined) {
    this.#id = id;
    this.#diarize = diarize;
    this.#onProgress = onProgress;
  }

  decoded(seconds: Seconds, total: Seconds | undefined): void {
    this.#decoded = seconds;
    this.#total = Math.max(seconds, total ?? 0);
    this.#report();
  }

  /** Another stretch has been searched for speech. */
  segmented(seconds: Seconds): void {
    this.#segmented += seconds;
    this.#report();
  }

  /** Speech was found that has to be recognised. */
  found(seconds: Seconds): void {
    this.#found += seconds;
  }

  recognized(seconds: Seconds): void {
    this.#recognized += seconds;
    this.#report();
  }

  /** Share of the speaker embeddings that are done, 0 to 1. */
  diarized(fraction: number): void {
    this.#diarized = fraction;
    this.#report();
  }

  merging(): void {
    this.#merging = true;
    this.#report();
  }

  #report(): void {
    if (this.#onProgress === undefined) return;
    const total = this.#total || 1;
    const share = (done: number, of: number) => Math.min(1, of > 0 ? done / of : 0);
    const searched = share(this.#segmented, total);
    // While the search goes on, what it will still find is expected to be as dense as what it found.
    const speech = searched > 0 ? this.#found / searched : 0;
    const diarize = this.#diarize ? DIARIZE_WEIGHT : 0;
    const work =
      WEIGHTS.decode * share(this.#decoded, total) +
      WEIGHTS.segment * searched +
      WEIGHTS.transcribe * share(this.#recognized, speech);
    const fraction = this.#merging ? 1 : Math.min(0.999, work * (1 - diarize) + diarize * this.#diarized);
    this.#fraction = Math.max(this.#fraction, fraction);
    this.#onProgress({
      id: this.#id,
      stage: this.#stage(searched),
      fraction: this.#fraction,
      audioSeconds: this.#total,
      doneSeconds: this.#merging ? total : this.#found > 0 ? total * share(this.#recognized, speech) : 0,
    });
  }

  #stage(searched: number): Stage {
    if (this.#merging) return 'merge';
    if (this.#recognized > 0 && this.#recognized >= this.#found && searched >= 1)
      return this.#diarize ? 'diarize' : 'transcribe';
    if (this.#found > 0) return 'transcribe';
    return this.#segmented > 0 ? 'segment' : 'decode';
  }
}
