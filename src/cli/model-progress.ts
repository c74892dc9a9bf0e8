import { formatBytes } from '../models/disk-space.ts';
import type { FetchProgress } from '../models/store.ts';

/** Where progress is written; `process.stderr` is one. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const BAR_WIDTH = 24;
const REDRAW_MS = 100;
/** Without a terminal, a line each time this share of the model has arrived. */
const LINE_STEP = 0.25;
const CLEAR_LINE = '\r\u001b[2K';

/** Shows how fetching a model goes: a bar that is drawn over on a terminal, a few plain lines elsewhere. */
export class ModelProgress {
  readonly #output: ProgressOutput;
  #current = '';
  #startedAt = 0;
  #startBytes = 0;
  #drawnAt = 0;
  #nextShare = 0;
  #barShown = false;

  constructor(output: ProgressOutput) {
    this.#output = output;
  }

  readonly update = (progress: FetchProgress): void => {
    const key = `${progress.model} ${progress.source}`;
    if (key !== this.#current) this.#begin(key, progress);
    if (this.#output.isTTY === true) this.#draw(progress);
    else this.#report(progress);
  };

  /** A line of its own, above the bar. */
  note(text: string): void {
    this.clear();
    this.#output.write(`${text}\n`);
  }

  /** Removes the bar. */
  clear(): void {
    if (this.#barShown) this.#output.write(CLEAR_LINE);
    this.#barShown = false;
    this.#current = '';
  }

  #begin(key: string, { model, source, receivedBytes, totalBytes }: FetchProgress): void {
    this.clear();
    this.#current = key;
    this.#startedAt = performance.now();
    this.#startBytes = receivedBytes;
    this.#drawnAt = 0;
    this.#nextShare = LINE_STEP;
    const resumed = receivedBytes > 0 ? `, ${formatBytes(receivedBytes)} already here` : '';
    this.#output.write(`Fetching ${model} from ${source} (${formatBytes(totalBytes)}${resumed})\n`);
  }

  #draw(progress: FetchProgress): void {
    const now = performance.now();
    const finished = progress.receivedBytes >= progress.totalBytes;
    if (now - this.#drawnAt < REDRAW_MS && !finished) return;
    this.#drawnAt = now;
    const share = progress.totalBytes > 0 ? Math.min(1, progress.receivedBytes / progress.totalBytes) : 0;
    const filled = Math.round(share * BAR_WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    const line = `${bar} ${Math.floor(share * 100)} %  ${this.#rate(progress, now)}`;
    this.#output.write(CLEAR_LINE + line.slice(0, (this.#output.columns ?? 80) - 1));
    this.#barShown = true;
  }

  #report(progress: FetchProgress): void {
    const share = progress.totalBytes > 0 ? progress.receivedBytes / progress.totalBytes : 0;
    if (share < this.#nextShare) return;
    this.#nextShare = (Math.floor(share / LINE_STEP) + 1) * LINE_STEP;
    this.#output.write(`  ${Math.floor(share * 100)} %  ${this.#rate(progress, performance.now())}\n`);
  }

  /** `12 MB of 145 MB, 6 MB/s, 22 s left`. */
  #rate({ receivedBytes, totalBytes }: FetchProgress, now: number): string {
    const amount = `${formatBytes(receivedBytes)} of ${formatBytes(totalBytes)}`;
    const seconds = (now - this.#startedAt) / 1000;
    const perSecond = (receivedBytes - this.#startBytes) / seconds;
    if (seconds < 1 || perSecond <= 0) return amount;
    const left = Math.ceil((totalBytes - receivedBytes) / perSecond);
    return `${amount}, ${formatBytes(perSecond)}/s${left > 0 ? `, ${left} s left` : ''}`;
  }
}
