import { enableCompileCache } from 'node:module';

// Half of the start-up time of a checkout is compiling: the cache must be on before the rest is loaded.
enableCompileCache();
const { runCommandLine } = await import('./commands.ts');
await runCommandLine(process.argv.slice(2));
