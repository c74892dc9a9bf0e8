import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isAbsolute, relative } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DiaristError } from '../core/errors.ts';

/** What a bench run is asked for; see bench/README.md. */
export interface BenchOptions {
  readonly data?: string;
  readonly peers?: string;
  readonly peersCache?: string;
  readonly output?: string;
  readonly label?: string;
  /** Comma-separated names of sets. */
  readonly sets?: string;
  /** Comma-separated names of contenders. */
  readonly only?: string;
  readonly model: string;
  readonly threads: number;
  readonly repeats: number;
  /** Id of the recording that is timed. */
  readonly file: string;
  /** Minutes of audio. */
  readonly lengths: readonly number[];
  /** Files a language (text) or in all (speakers). */
  readonly limit?: number;
  /** The command line, as a person would type it: it stands with the results. */
  readonly command: string;
}

interface BenchModule {
  runBench(options: BenchOptions, log: (line: string) => void): Promise<void>;
}

const MODULE = new URL('../../bench/run.ts', import.meta.url);

/** Adds `diarist bench` to the program. It needs a checkout: the bench is not part of the package. */
export function registerBench(program: Command): void {
  program
    .command('bench')
    .description('measure speed, memory and error rates, beside other systems where they are installed')
    .addOption(
      new Option('--data <dir>', 'evaluation audio with its manifest.json (default: ../shared/data)').env(
        'DIARIST_TEST_DATA',
      ),
    )
    .option('--peers <dir>', 'scripts that run the other systems (default: ../shared/peers)')
    .addOption(new Option('--peers-cache <dir>', 'where the other systems are installed').env('PEERS_CACHE'))
    .option('-o, --output <dir>', 'folder for the results (default: bench/results of the checkout)')
    .option('--label <name>', 'name of this machine (default: its processor)')
    .option('--sets <list>', 'start, speed, text, speakers, words, lengths (default: all)')
    .option('--only <list>', 'contenders to run (default: all that are installed)')
    .option('-m, --model <model>', 'model of ours; the others run Whisper base', 'base')
    .option('--threads <n>', 'threads for everybody', positiveInteger, availableParallelism())
    .option('--repeats <n>', 'interleaved runs of everything that is timed', positiveInteger, 3)
    .option('--file <id>', 'recording that is timed', 'readers_turns')
    .option('--lengths <list>', 'minutes of audio to time', minutes, [1, 5, 10, 30, 60, 180])
    .option('--limit <n>', 'at most so many files, for a quick look', positiveInteger)
    .action(async (flags: Omit<BenchOptions, 'command'>) => {
      if (!existsSync(MODULE)) {
        throw new DiaristError(
          'usage',
          'The bench is not part of the package: run it from a checkout of the repository.',
        );
      }
      const { runBench } = (await import(MODULE.href)) as BenchModule;
      const command = ['diarist', ...process.argv.slice(2).map(relativePath)].join(' ');
      await runBench({ ...flags, command }, (line) => process.stderr.write(`${line}\n`));
    });
}

/** Results are published: what is typed as an absolute path is written as seen from here, names with spaces in quotes. */
function relativePath(argument: string): string {
  const path = isAbsolute(argument) ? relative(process.cwd(), argument) : argument;
  return path.includes(' ') ? `"${path}"` : path;
}

function positiveInteger(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1) throw new InvalidArgumentError('It must be a whole number above 0.');
  return number;
}

function minutes(value: string): number[] {
  const list = value.split(',').map(Number);
  if (!list.every((own) => Number.isFinite(own) && own > 0))
    throw new InvalidArgumentError('It must be a list such as 1,10,60.');
  return list;
}
