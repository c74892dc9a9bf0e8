import type { DiaristError } from '../core/errors.ts';
import type { FetchProgress } from '../models/store.ts';
import type { Progress, Stage } from '../pipeline/types.ts';
import type { Transcript } from '../transcript/types.ts';
import { ModelProgress } from './model-progress.ts';
import { RunSpeed } from './run-speed.ts';
import { bar, clock, LiveLine, styled, type Terminal } from './terminal.ts';

/** What a run tells while it runs, on standard error. `id` names a recording within the run, `name` is for people. */
export interface TranscribeReporter {
  fetching(progress: FetchProgress): void;
  /** Models stand; work on the recordings begins. */
  begin(): void;
  progress(name: string, progress: Progress): void;
  done(result: FinishedRecording): void;
  skipped(name: string, paths: readonly string[]): void;
  failed(id: string, name: string, error: DiaristError): void;
  note(message: string): void;
  /** Everything is done or has failed. */
  total(): void;
  /** Removes what is only shown while the run lasts. */
  end(): void;
}

export interface FinishedRecording {
  readonly id: string;
  readonly name: string;
  readonly transcript: Transcript;
  /** Files written; empty for standard output. */
  readonly paths: readonly string[];
  readonly wallSeconds: number;
}

export interface ReporterOptions {
  readonly terminal: Terminal;
  readonly recordings: number;
  readonly quiet: boolean;
  readonly json: boolean;
}

export function createReporter(options: ReporterOptions): TranscribeReporter {
  return options.json ? new JsonReporter(options) : new TextReporter(options);
}

const STAGE_NAMES: Readonly<Record<Stage, string>> = {
  models: 'preparing the models',
  decode: 'reading the audio',
  segment: 'finding speech',
  transcribe: 'transcribing',
  diarize: 'telling speakers apart',
  merge: 'putting together',
};

const REDRAW_MS = 100;
const PLAIN_LINE_MS = 10_000;
const BAR_WIDTH = 20;

/** A line that is rewritten on a terminal; elsewhere a plain line now and then. */
class TextReporter implements TranscribeReporter {
  readonly #options: ReporterOptions;
  readonly #line: LiveLine;
  readonly #models: ModelProgress;
  readonly #speed: RunSpeed;
  #latest: { readonly name: string; readonly stage: Stage } | undefined;
  readonly #totals = new RunTotals();
  #settled = 0;
  #lastShownAt = performance.now();

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#line = new LiveLine(options.terminal);
    this.#models = new ModelProgress({
      isTTY: options.terminal.interactive,
      columns: options.terminal.columns(),
      write: options.terminal.write,
    });
    this.#speed = new RunSpeed(options.recordings);
  }

  fetching(progress: FetchProgress): void {
    if (!this.#options.quiet) this.#models.update(progress);
  }

  begin(): void {
    this.#models.clear();
    this.#totals.begin();
  }

  progress(name: string, progress: Progress): void {
    this.#speed.update(progress);
    this.#latest = { name, stage: progress.stage };
    this.#showStanding();
  }

  done({ id, name, transcript, paths, wallSeconds }: FinishedRecording): void {
    this.#speed.settle(id);
    this.#settled++;
    this.#totals.add(transcript.duration);
    const speakers = transcript.speakers.length;
    const facts = [
      // Recordings of one run share its time: only the total says how fast that was.
      ...(this.#options.recordings === 1
        ? [workText(transcript.duration, wallSeconds)]
        : [`${clock(transcript.duration)} of audio`]),
      ...(speakers > 0 ? [`${speakers} ${speakers === 1 ? 'speaker' : 'speakers'}`] : []),
      ...(transcript.language === null ? ['no speech'] : [`language ${transcript.language}`]),
    ];
    const where = paths.length > 0 ? ` -> ${paths.join(', ')}` : '';
    this.#print(`${this.#mark('✓', 'green')}${name}: ${facts.join(', ')}${where}`);
    for (const warning of transcript.warnings) {
      this.#print(`${this.#mark('!', 'yellow')}${name}: ${warning.message}`);
    }
  }

  skipped(name: string, paths: readonly string[]): void {
    this.#speed.leaveOut();
    this.#settled++;
    this.#print(`${this.#mark('-', 'dim')}${name}: already done (${paths.join(', ')}); --overwrite does it again`);
  }

  failed(id: string, name: string, error: DiaristError): void {
    this.#speed.settle(id);
    this.#settled++;
    this.#line.clear();
    const saysWhich = this.#options.recordings === 1 || error.message.includes(name);
    const prefix = saysWhich ? '' : `${name}: `;
    this.#options.terminal.write(`${this.#mark('✗', 'red')}${prefix}${error.message}\n`);
  }

  note(message: string): void {
    this.#print(message);
  }

  total(): void {
    const { recordings, audioSeconds, wallSeconds } = this.#totals.sum();
    if (recordings > 1) {
      this.#print(`${this.#mark('=', 'dim')}${recordings} recordings, ${workText(audioSeconds, wallSeconds)}`);
    }
  }

  end(): void {
    this.#models.clear();
    this.#line.clear();
  }

  /** Where colours are not shown, lines say whose they are instead. */
  #mark(sign: string, style: 'green' | 'yellow' | 'red' | 'dim'): string {
    if (this.#options.terminal.interactive) return `${styled(sign, style, this.#options.terminal.colour)} `;
    return style === 'yellow' ? 'diarist: warning: ' : 'diarist: ';
  }

  #print(text: string): void {
    if (this.#options.quiet) return;
    this.#line.clear();
    this.#options.terminal.write(`${text}\n`);
  }

  #showStanding(): void {
    const { interactive } = this.#options.terminal;
    const now = performance.now();
    if (this.#options.quiet || now - this.#lastShownAt < (interactive ? REDRAW_MS : PLAIN_LINE_MS)) return;
    this.#lastShownAt = now;
    const text = this.#standingText(interactive);
    if (interactive) this.#line.show(text);
    else this.#print(`diarist: ${text}`);
  }

  #standingText(withBar: boolean): string {
    const { fraction, speed, secondsLeft } = this.#speed.standing();
    const { recordings } = this.#options;
    const what = this.#latest === undefined ? '' : STAGE_NAMES[this.#latest.stage];
    const which =
      recordings === 1 ? what : `${this.#settled} of ${recordings} done, ${what} ${this.#latest?.name ?? ''}`;
    return [
      ...(withBar ? [bar(fraction, BAR_WIDTH)] : []),
      `${String(Math.floor(fraction * 100)).padStart(withBar ? 3 : 1)} %`,
      ...(speed === undefined ? [] : [speedText(speed)]),
      ...(secondsLeft === undefined ? [] : [`${clock(secondsLeft)} left`]),
      which,
    ].join('  ');
  }
}

/** One JSON object a line, for programs. Says less where quiet: no progress, but results and failures. */
class JsonReporter implements TranscribeReporter {
  readonly #options: ReporterOptions;
  readonly #speed: RunSpeed;
  readonly #totals = new RunTotals();

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#speed = new RunSpeed(options.recordings);
  }

  fetching({ model, source, receivedBytes, totalBytes }: FetchProgress): void {
    if (!this.#options.quiet) this.#write({ type: 'model', model, source, receivedBytes, totalBytes });
  }

  begin(): void {
    this.#totals.begin();
  }

  progress(name: string, progress: Progress): void {
    this.#speed.update(progress);
    if (this.#options.quiet) return;
    const { stage, fraction, audioSeconds, doneSeconds } = progress;
    const { fraction: runFraction, speed, secondsLeft } = this.#speed.standing();
    const standing = { runFraction, speed: speed ?? null, secondsLeft: secondsLeft ?? null };
    this.#write({ type: 'progress', input: name, stage, fraction, audioSeconds, doneSeconds, ...standing });
  }

  done({ id, name, transcript, paths, wallSeconds }: FinishedRecording): void {
    this.#speed.settle(id);
    const { duration, language, warnings, timings } = transcript;
    this.#totals.add(duration);
    const speakers = transcript.speakers.length;
    const facts = { duration, wallSeconds, language, speakers, warnings, timings };
    this.#write({ type: 'done', input: name, outputs: paths, ...facts });
  }

  skipped(name: string, paths: readonly string[]): void {
    this.#speed.leaveOut();
    this.#write({ type: 'skipped', input: name, outputs: paths });
  }

  failed(id: string, name: string, error: DiaristError): void {
    this.#speed.settle(id);
    this.#write({ type: 'error', input: name, code: error.code, message: error.message });
  }

  note(message: string): void {
    if (!this.#options.quiet) this.#write({ type: 'note', message });
  }

  total(): void {
    this.#write({ type: 'total', ...this.#totals.sum() });
  }

  end(): void {}

  #write(event: Readonly<Record<string, unknown>>): void {
    this.#options.terminal.write(`${JSON.stringify(event)}\n`);
  }
}

/** What a run got done, and in what time. */
class RunTotals {
  #recordings = 0;
  #audioSeconds = 0;
  #startedAt = performance.now();

  begin(): void {
    this.#startedAt = performance.now();
  }

  add(audioSeconds: number): void {
    this.#recordings++;
    this.#audioSeconds += audioSeconds;
  }

  sum(): { readonly recordings: number; readonly audioSeconds: number; readonly wallSeconds: number } {
    const wallSeconds = (performance.now() - this.#startedAt) / 1000;
    return { recordings: this.#recordings, audioSeconds: this.#audioSeconds, wallSeconds };
  }
}

function workText(audioSeconds: number, wallSeconds: number): string {
  const speed = wallSeconds > 0 ? `, ${speedText(audioSeconds / wallSeconds)}` : '';
  return `${clock(audioSeconds)} of audio in ${wallSeconds.toFixed(1)} s${speed}`;
}

function speedText(speed: number): string {
  return `${speed < 10 ? speed.toFixed(1) : Math.round(speed)}x real time`;
}
