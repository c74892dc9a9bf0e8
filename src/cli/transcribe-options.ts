import { wholeNumber } from '../config/value-kinds.ts';
import { DEFAULT_BEAM_SIZE } from '../core/decoding-defaults.ts';
import { DiaristError } from '../core/errors.ts';
import { parseLanguage } from '../core/languages.ts';
import type { TranscribeOptions } from '../pipeline/types.ts';
import { type FormatName, findFormat } from '../transcript/formats.ts';

/** The flags of `diarist transcribe` as commander hands them over. */
export interface TranscribeFlags {
  readonly format?: readonly string[];
  readonly output?: string;
  readonly model?: string;
  readonly language?: string;
  readonly task: string;
  readonly speakers?: string;
  readonly minSpeakers?: string;
  readonly maxSpeakers?: string;
  readonly diarize: boolean;
  readonly words: boolean;
  readonly prompt?: string;
  readonly hotwords?: string;
  readonly beamSize: string;
  readonly batchSize?: string;
  readonly device?: string;
  readonly threads?: string;
  readonly computeType?: string;
  readonly strict?: boolean;
  readonly quiet?: boolean;
  readonly jsonProgress?: boolean;
  readonly overwrite?: boolean;
  readonly highlightWords?: boolean;
  readonly times?: boolean;
  readonly speakerEmbeddings?: boolean;
}

const SPEAKERS = wholeNumber(1, 100);
const BEAMS = wholeNumber(1, 20);

/** The options of the pipeline. Throws `usage` or `unknown_language` in one sentence that names what is valid. */
export function transcribeOptions(flags: TranscribeFlags): TranscribeOptions {
  const speakers = count(flags.speakers, '--speakers', SPEAKERS);
  const minSpeakers = count(flags.minSpeakers, '--min-speakers', SPEAKERS);
  const maxSpeakers = count(flags.maxSpeakers, '--max-speakers', SPEAKERS);
  if (flags.task !== 'transcribe' && flags.task !== 'translate') {
    throw new DiaristError('usage', `--task must be transcribe or translate, not "${flags.task}".`);
  }
  if (speakers !== undefined && (minSpeakers !== undefined || maxSpeakers !== undefined)) {
    throw new DiaristError('usage', 'Give either --speakers or --min-speakers and --max-speakers, not both.');
  }
  if (minSpeakers !== undefined && maxSpeakers !== undefined && minSpeakers > maxSpeakers) {
    throw new DiaristError('usage', `--min-speakers ${minSpeakers} is above --max-speakers ${maxSpeakers}: swap them.`);
  }
  refuseTogether(!flags.diarize, '--no-diarize', [
    [flags.speakers !== undefined, '--speakers'],
    [flags.minSpeakers !== undefined, '--min-speakers'],
    [flags.maxSpeakers !== undefined, '--max-speakers'],
    [flags.speakerEmbeddings === true, '--speaker-embeddings'],
  ]);
  refuseTogether(!flags.words, '--no-words', [[flags.highlightWords === true, '--highlight-words']]);
  return {
    ...(flags.language !== undefined && flags.language !== 'auto' && { language: parseLanguage(flags.language) }),
    task: flags.task,
    diarize: flags.diarize,
    words: flags.words,
    ...(speakers !== undefined && { speakers }),
    ...(minSpeakers !== undefined && { minSpeakers }),
    ...(maxSpeakers !== undefined && { maxSpeakers }),
    ...(flags.prompt !== undefined && { prompt: flags.prompt }),
    ...(flags.hotwords !== undefined && { hotwords: flags.hotwords }),
    beamSize: count(flags.beamSize, '--beam-size', BEAMS) ?? DEFAULT_BEAM_SIZE,
    strict: flags.strict === true,
    speakerEmbeddings: flags.speakerEmbeddings === true,
  };
}

/** What results look like and where they go. */
export interface ResultPlan {
  readonly formats: readonly FormatName[];
  /** Folder; undefined means standard output. */
  readonly folder: string | undefined;
  /** Times in txt. */
  readonly times: boolean;
}

/**
 * Decides on formats and place. Without `-f`: readable text with times on a terminal, JSON in a pipe or with `-o`.
 * Throws `usage` where several results would go to standard output, and `unknown_format`.
 */
export function resultPlan(flags: TranscribeFlags, inputs: number, onTerminal: boolean): ResultPlan {
  const folder = flags.output;
  if (folder === '') throw new DiaristError('usage', '-o needs the name of a folder.');
  const names = (flags.format ?? []).flatMap((list) => list.split(',')).filter((name) => name.trim() !== '');
  const readable = names.length === 0 && folder === undefined && onTerminal;
  const formats = names.length > 0 ? [...new Set(names.map((name) => findFormat(name).name))] : undefined;
  const plan: ResultPlan = {
    formats: formats ?? (readable ? ['txt'] : ['json']),
    folder,
    times: flags.times === true || readable,
  };
  if (!flags.diarize && plan.formats.includes('rttm')) {
    throw new DiaristError('usage', 'rttm holds nothing but speakers: leave out --no-diarize, or choose another -f.');
  }
  if (folder === undefined && plan.formats.length > 1) {
    throw new DiaristError('usage', `${plan.formats.length} formats need a folder for their files: add -o DIR.`);
  }
  if (folder === undefined && inputs > 1) {
    throw new DiaristError('usage', `${inputs} recordings need a folder for their results: add -o DIR.`);
  }
  return plan;
}

function count(given: string | undefined, flag: string, kind: typeof SPEAKERS): number | undefined {
  if (given === undefined) return undefined;
  const value = kind.read(given);
  if (value === undefined) throw new DiaristError('usage', `${flag} must be ${kind.expected}, not "${given}".`);
  return value;
}

function refuseTogether(active: boolean, flag: string, others: readonly (readonly [boolean, string])[]): void {
  const other = active ? others.find(([given]) => given)?.[1] : undefined;
  if (other !== undefined) throw new DiaristError('usage', `${flag} and ${other} exclude each other: leave one out.`);
}
