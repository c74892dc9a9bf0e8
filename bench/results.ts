import type { Work } from './contenders/contender.ts';
import type { Machine } from './machine.ts';

/** Everything a bench run found out; `results.json` is this. */
export interface BenchResults {
  readonly schema: 'diarist.bench/1';
  readonly machine: Machine;
  readonly sets: {
    readonly start?: ResultSet<TimedRow>;
    readonly speed?: ResultSet<TimedRow>;
    readonly text?: ResultSet<TextRow>;
    readonly speakers?: ResultSet<SpeakerRow>;
    readonly words?: ResultSet<WordRow>;
    readonly lengths?: ResultSet<TimedRow>;
  };
}

export type SetName = keyof BenchResults['sets'];
export const SET_NAMES = [
  'start',
  'speed',
  'text',
  'speakers',
  'words',
  'lengths',
] as const satisfies readonly SetName[];

export interface ResultSet<Row> {
  readonly command: string;
  readonly date: string;
  readonly rows: readonly Row[];
  readonly skipped: readonly { readonly contender: string; readonly reason: string }[];
}

export interface Measured {
  readonly wallSeconds: number;
  readonly processSeconds: number;
  readonly cpuSeconds: number | null;
  readonly peakMemoryMb: number | null;
}

/** One contender on one file, several times. */
export interface TimedRow {
  readonly contender: string;
  readonly work: Work;
  readonly settings: string;
  readonly file: string;
  readonly audioSeconds: number;
  readonly runs: readonly Measured[];
  readonly median: Measured;
  /** Audio seconds per wall second of the median run. */
  readonly rtfx: number;
  readonly text?: Rate;
  readonly speakers?: SpeakerScore;
}

export interface Rate {
  readonly errors: number;
  readonly words: number;
}

export interface TextRow {
  readonly contender: string;
  readonly settings: string;
  readonly languages: Readonly<Record<string, Rate & { readonly items: number }>>;
  /** Files whose language was taken for another, and files without a result. */
  readonly wrongLanguage: readonly string[];
  readonly failed: readonly string[];
}

/** Word times of a contender beside those of the reference recogniser, over the words that both heard. */
export interface WordRow {
  readonly contender: string;
  readonly settings: string;
  readonly all: WordTimes;
  readonly languages: Readonly<Record<string, WordTimes>>;
}

export interface WordTimes {
  readonly items: number;
  /** Of the reference. */
  readonly words: number;
  readonly matched: number;
  /** Magnitudes of the differences; absent where no word was matched. */
  readonly startSeconds?: Quantiles;
  readonly endSeconds?: Quantiles;
}

interface Quantiles {
  readonly p50: number;
  readonly p90: number;
}

export interface SpeakerScore {
  readonly der: number;
  readonly derCollar: number;
  readonly speakers: number;
  readonly speakersFound: number;
}

export interface SpeakerRow {
  readonly contender: string;
  readonly settings: string;
  readonly groups: Readonly<Record<string, SpeakerGroup>>;
  readonly failed: readonly string[];
}

export interface SpeakerGroup {
  readonly items: number;
  /** Over all the group's reference speech. */
  readonly der: number;
  readonly derCollar: number;
  readonly missed: number;
  readonly falseAlarm: number;
  readonly confusion: number;
  /** Files with the right number of speakers. */
  readonly rightCount: number;
  readonly speakers: readonly (readonly [reference: number, found: number])[];
  readonly cpWer?: Rate;
}
