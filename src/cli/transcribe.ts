import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { DEFAULT_BEAM_SIZE } from '../core/decoding-defaults.ts';
import { FORMAT_NAMES } from '../transcript/formats.ts';
import { listenForInterruption } from './interruption.ts';
import { standardError } from './terminal.ts';
import { resultPlan, type TranscribeFlags, transcribeOptions } from './transcribe-options.ts';
import { createReporter } from './transcribe-reporter.ts';
import type { TranscribeParts } from './transcribe-run.ts';

const AFTER_HELP = `
Results
  Without -o the one result of one recording goes to standard output: readable text with times when that is a terminal,
  JSON when it is a pipe or a file. With -o DIR the results of talk.mp3 are DIR/talk.json and so on; what is there
  already is not done again unless --overwrite is given. Progress and messages go to standard error.

Examples
  diarist transcribe talk.mp3
  diarist transcribe talk.mp3 -f srt > talk.srt
  diarist transcribe meetings/*.m4a -o transcripts -f json,vtt --speakers 4
  ffmpeg -i rtsp://camera -t 60 -f wav - | diarist transcribe - -f txt`;

/** Adds `diarist transcribe` to the program. The exit code is that of the first recording that failed. */
export function registerTranscribe(program: Command, parts: TranscribeParts = {}): void {
  program
    .command('transcribe')
    .description('recordings in; words, times and speakers out')
    .argument('<input...>', 'audio or video files, http(s) addresses, or - for standard input')
    .option('-f, --format <list>', `formats, comma-separated: ${FORMAT_NAMES.join(', ')}`, collect)
    .option('-o, --output <dir>', 'folder for the results; made where it is missing')
    .option('--overwrite', 'do again what is already in the folder')
    .optionsGroup('Recognition:')
    .option('-m, --model <model>', 'name, folder or hub:org/name (default: base, or DIARIST_MODEL)')
    .option('-l, --language <language>', 'language that is spoken, as code or name (default: detected)')
    .option('--task <task>', 'transcribe, or translate to English', 'transcribe')
    .option('--prompt <text>', 'text to set style and spelling by')
    .option('--hotwords <words>', 'names and terms to expect')
    .option('--beam-size <n>', 'hypotheses that are followed at once; 1 is fastest', String(DEFAULT_BEAM_SIZE))
    .option('--no-words', 'without word times')
    .optionsGroup('Speakers:')
    .option('--no-diarize', 'without speakers')
    .option('--speakers <n>', 'exact number of speakers (default: found out)')
    .option('--min-speakers <n>', 'at least so many')
    .option('--max-speakers <n>', 'at most so many')
    .option('--speaker-embeddings', 'voice prints in the JSON result')
    .optionsGroup('Text:')
    .option('--times', 'times in txt')
    .option('--highlight-words', 'mark each word while it is spoken (srt, vtt)')
    .optionsGroup('Running:')
    .option('--device <device>', 'auto, cpu, cuda, webgpu or coreml (default: auto)')
    .option('--compute-type <type>', 'auto, int8, float32 or float16 (default: auto)')
    .option('--threads <n>', 'inference threads (default: one a logical processor)')
    .option('--batch-size <n>', 'chunks decoded together (default: chosen by the engine)')
    .option('--strict', 'fail where something asked for could only be done in part')
    .option('-q, --quiet', 'print errors and results only')
    .option('--json-progress', 'progress and messages as one JSON object a line')
    .addHelpText('after', AFTER_HELP)
    .action((inputs: readonly string[], flags: TranscribeFlags) => transcribe(inputs, flags, parts));
}

function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

async function transcribe(inputs: readonly string[], flags: TranscribeFlags, parts: TranscribeParts): Promise<void> {
  const options = transcribeOptions(flags);
  const { runTranscribe, distinctInputs } = await import('./transcribe-run.ts');
  const recordings = distinctInputs(inputs);
  const results = resultPlan(flags, recordings.length, process.stdout.isTTY === true);
  const { model, device, computeType, threads, batchSize } = flags;
  const config = loadConfig({ flags: { model, device, computeType, threads, batchSize } });
  const reporter = createReporter({
    terminal: standardError(config.environment),
    recordings: recordings.length,
    quiet: flags.quiet === true,
    json: flags.jsonProgress === true,
  });
  using interruption = listenForInterruption(() => reporter.end());
  try {
    process.exitCode = await runTranscribe({
      inputs: recordings,
      options,
      results,
      overwrite: flags.overwrite === true,
      highlightWords: flags.highlightWords === true,
      config,
      reporter,
      interruption,
      parts,
    });
  } catch (error) {
    if (interruption.exitCode() === undefined) throw error;
    process.exitCode = interruption.exitCode();
  }
}
