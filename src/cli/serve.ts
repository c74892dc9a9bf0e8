import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { type Config, loadConfig } from '../config/config.ts';
import type { EngineHostEvent } from '../host/engine-host.ts';
import type { RunningServer } from '../server/start-server.ts';
import { collectGarbage } from './collect-garbage.ts';
import { listenForInterruption } from './interruption.ts';

interface ServeFlags {
  readonly host?: string;
  readonly port?: string;
  readonly config?: string;
  readonly allowAnonymous?: boolean;
  readonly model?: string;
  readonly device?: string;
  readonly computeType?: string;
  readonly threads?: string;
  readonly batchSize?: string;
}

/** Adds `diarist serve` to the program. */
export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('answer over HTTP, in the dialects of OpenAI and of the whisper webservice, with durable jobs')
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <port>', 'port to listen on; 0 takes any free one (default: 9000)')
    .option('-c, --config <file>', 'settings in YAML (default: DIARIST_CONFIG, or ./diarist.yaml)')
    .option('--allow-anonymous', 'let callers without an API key in, even from other machines')
    .option('-m, --model <model>', 'model of requests that name none (default: base)')
    .option('--device <device>', 'where inference runs: auto, cpu, cuda, webgpu, coreml')
    .option('--compute-type <type>', 'number format of inference: auto, int8, float32, float16')
    .option('--threads <n>', 'inference threads (0: as many as there are logical processors)')
    .option('--batch-size <n>', 'chunks decoded together (0: the engine chooses)')
    .action(serve);
}

async function serve(flags: ServeFlags): Promise<void> {
  const { config: file, allowAnonymous, ...texts } = flags;
  const config = loadConfig({
    flags: { ...texts, ...(allowAnonymous === true && { allowAnonymous: 'true' }) },
    ...(file !== undefined && { file }),
    server: true,
  });
  const stop = Promise.withResolvers<void>();
  using interruption = listenForInterruption(() => {
    process.stderr.write('Stopping: running jobs may finish; once more stops at once.\n');
    stop.resolve();
  });
  const server = await start(config);
  process.stdout.write(`Diarist listens on ${server.url} (documentation at ${server.url}/docs)\n`);
  await stop.promise;
  await server.close();
  if (interruption.signal.aborted) process.exitCode = 0;
}

async function start(config: Config): Promise<RunningServer> {
  // The other commands do without all of this, and start faster.
  const [{ createLogger }, { createEngines }, { estimateEngineBytes }, { jobsOptions, openJobs }, { startServer }] =
    await Promise.all([
      import('../server/log.ts'),
      import('../host/engines.ts'),
      import('../pipeline/engine-memory.ts'),
      import('../jobs/open-jobs.ts'),
      import('../server/start-server.ts'),
    ]);
  const { settings, origins } = config;
  const logger = createLogger({
    // Who runs a server wants to see that it works.
    level: origins.logLevel === 'default' ? 'info' : settings.logLevel,
    pretty: process.stderr.isTTY === true,
    output: process.stderr,
  });
  for (const note of config.notes) logger.warn(note);
  for (const variable of config.unknownVariables) logger.warn({ variable }, 'a variable is set that nothing reads');
  const engines = createEngines(config, {
    estimateBytes: (model) =>
      estimateEngineBytes(model, settings.threads || availableParallelism(), settings.batchSize),
    onEvent: (model, event) => {
      logger[levelOf(event)]({ model, ...event }, 'engine');
      if (event.kind === 'ended' && event.expected) setImmediate(collectGarbage);
    },
  });
  const jobs = await openJobs(jobsOptions(config, engines));
  try {
    return await startServer(config, { jobs, engines, logger });
  } catch (error) {
    await jobs.close(0);
    await engines.close();
    throw error;
  }
}

function levelOf(event: EngineHostEvent): 'info' | 'warn' {
  return event.kind === 'retrying' || (event.kind === 'ended' && !event.expected) ? 'warn' : 'info';
}
