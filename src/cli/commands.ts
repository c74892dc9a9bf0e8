import { registerBench } from './bench.ts';
import { registerConfig } from './config.ts';
import { registerDoctor } from './doctor.ts';
import { registerKeys } from './keys.ts';
import { registerModels } from './models.ts';
import { runProgram } from './program.ts';
import { registerServe } from './serve.ts';
import { registerTranscribe } from './transcribe.ts';

/** Runs the command line with every command that there is. */
export function runCommandLine(argv: readonly string[]): Promise<void> {
  return runProgram(argv, (program) => {
    registerTranscribe(program);
    registerServe(program);
    registerKeys(program);
    registerConfig(program);
    registerModels(program);
    registerDoctor(program);
    registerBench(program);
  });
}
