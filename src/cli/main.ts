import { registerDoctor } from './doctor.ts';
import { registerModels } from './models.ts';
import { runProgram } from './program.ts';
import { registerTranscribe } from './transcribe.ts';

await runProgram(process.argv.slice(2), (program) => {
  registerTranscribe(program);
  registerModels(program);
  registerDoctor(program);
});
