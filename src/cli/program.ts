import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { toDiaristError } from '../core/errors.ts';

const EXIT_CODES = `
Exit codes
  0    done
  1    unexpected failure, or doctor found a problem
  2    wrong usage: an unknown option, model, format or language, or a wrong setting
  3    a recording cannot be read
  4    a model is missing or broken
  5    the engine failed (crash, memory, time, device), or with --strict something could only be done in part
  6    a result cannot be written
  7    the network failed
  130  interrupted (143 when ended by SIGTERM)
`;

const USAGE_EXIT_CODE = 2;

/**
 * Runs the program with its arguments (without those of Node) and sets the exit code. `register` adds the commands. What
 * a command throws is told to the person in one line.
 */
export async function runProgram(argv: readonly string[], register: (program: Command) => void): Promise<void> {
  // A reader that closes the pipe early wants no more output; nobody is served by a stack trace.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
  });
  try {
    await parse(argv, register);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : USAGE_EXIT_CODE;
      return;
    }
    const failure = toDiaristError(error);
    process.stderr.write(`diarist: ${failure.message}\n`);
    if (failure.code === 'internal') process.stderr.write(`${failure.stack}\nThis is a defect: please report it.\n`);
    process.exitCode = failure.exitCode;
  }
}

async function parse(argv: readonly string[], register: (program: Command) => void): Promise<void> {
  const program = new Command('diarist')
    .description('Who said what, and when: words, times and speakers from any recording.')
    .version(packageVersion(), '-V, --version')
    .helpCommand('help [command]', 'help on a command')
    .addHelpText('afterAll', EXIT_CODES)
    .configureOutput({ outputError: (text, write) => write(usageError(text)) })
    .exitOverride();
  register(program);
  if (argv.length === 0) {
    program.outputHelp();
    return;
  }
  await program.parseAsync(argv, { from: 'user' });
}

/** One sentence out of what commander says in up to two lines. */
function usageError(text: string): string {
  const [what = '', guess = ''] = text
    .replace(/^error: /, '')
    .trim()
    .split('\n');
  return `diarist: ${[what, guess].join(' ').trim()}; "diarist help" lists what there is.\n`;
}

function packageVersion(): string {
  const packageFile = new URL('../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  return version;
}
