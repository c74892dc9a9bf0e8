import type { Turn } from '../../src/transcript/types.ts';
import type { Usage } from '../process-tree.ts';
import type { TimedWord } from '../scoring/word-times.ts';

/** What a contender makes of a recording, as far as it does. */
export interface Heard {
  readonly language: string | null;
  readonly text: string | null;
  readonly turns: readonly Turn[] | null;
  readonly textBySpeaker: ReadonlyMap<string, string> | null;
  readonly words: readonly TimedWord[] | null;
}

/** One run over one file in a process of its own. */
export interface TimedRun extends Usage {
  readonly audioSeconds: number;
  /** From the file to the result, without starting up and loading models, as the contender itself reports it. */
  readonly wallSeconds: number;
  readonly heard: Heard;
}

export interface InputFile {
  readonly id: string;
  readonly path: string;
}

/** `both` is words with their speakers. */
export type Work = 'recognition' | 'diarization' | 'both';

/** A program, with its settings, that takes part in a comparison. */
export interface Contender {
  readonly name: string;
  readonly work: Work;
  readonly settings: string;
  /** Why it cannot run here; undefined where it can. */
  unavailable(): string | undefined;
  /** Runs alone in a new process, measured. Throws where the run fails. */
  timed(file: InputFile): Promise<TimedRun>;
  /** All files in one go, for error rates: by id. Files that fail are left out. */
  hear(files: readonly InputFile[]): Promise<Map<string, Heard>>;
}

export const NOTHING_HEARD: Heard = { language: null, text: null, turns: null, textBySpeaker: null, words: null };

/** An error that says which contender failed and shows the end of what it said. */
export function failedRun(name: string, exitCode: number | null, stderr: string): Error {
  return new Error(`${name} ended with exit code ${exitCode}: ${stderr.split('\n').slice(-3).join(' | ')}`);
}
