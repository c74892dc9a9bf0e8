import { rmSync } from 'node:fs';
import { toDiaristError } from '../core/errors.ts';
import type { Engine, EngineSettings, RunContext } from '../pipeline/types.ts';
import {
  type EngineCall,
  type EngineMethod,
  type FromEngine,
  packError,
  type ResultOf,
  type ToEngine,
} from './protocol.ts';

export type CreateEngine = (settings: EngineSettings) => Engine | Promise<Engine>;

/** Exit code of an engine whose inference threads are gone: the parent takes any but 0 for a crash. */
const EXIT_BROKEN = 70;

/**
 * The engine process's side of the channel: starts an engine when told to, runs requests at the same time, and
 * exits when told to or when the parent is gone.
 */
export function serveEngine(create: CreateEngine): void {
  const running = new Map<number, AbortController>();
  let engine: Engine | undefined;
  let folder: string | undefined;

  // Ctrl-C and a service stop reach every process of the group: the parent decides what becomes of this one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

  process.on('exit', () => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message: ToEngine) => {
    if (message.type === 'start') void start(message.settings, message.heartbeatMs);
    else if (message.type === 'call') void answer(message.ticket, message.call);
    else if (message.type === 'cancel') running.get(message.ticket)?.abort();
    else void close();
  });

  async function start(settings: EngineSettings, heartbeatMs: number): Promise<void> {
    folder = settings.dataDir;
    try {
      engine = await create(settings);
    } catch (error) {
      await send({ type: 'startup-failed', error: packError(toDiaristError(error)) });
      process.exit(1);
    }
    const { device, failed } = engine;
    // Before what was running is told as failed: the parent is to take the end of this process for a crash and try again.
    void failed?.then((error) => {
      process.stderr.write(`${error.message}\n`);
      process.exit(EXIT_BROKEN);
    });
    void send({ type: 'ready', device });
    setInterval(() => {
      void send({ type: 'heartbeat', residentBytes: process.memoryUsage.rss(), metrics: engine?.metrics?.() });
    }, heartbeatMs);
  }

  async function answer(ticket: number, call: EngineCall): Promise<void> {
    const controller = new AbortController();
    running.set(ticket, controller);
    try {
      if (engine === undefined) throw new Error('A request came before the engine was ready.');
      const result = await run(engine, call, {
        signal: controller.signal,
        onProgress: (progress) => void send({ type: 'progress', ticket, progress }),
        onPart: (part) => void send({ type: 'part', ticket, part }),
      });
      void send({ type: 'result', ticket, result });
    } catch (error) {
      void send({ type: 'failed', ticket, error: packError(toDiaristError(error)) });
    } finally {
      running.delete(ticket);
    }
  }

  async function close(): Promise<void> {
    for (const controller of running.values()) controller.abort();
    await engine?.close().catch(() => {});
    process.exit(0);
  }
}

function run(engine: Engine, call: EngineCall, context: RunContext): Promise<ResultOf<EngineMethod>> {
  switch (call.method) {
    case 'transcribe':
      return engine.transcribe(call.request, context);
    case 'detectLanguage':
      return engine.detectLanguage(call.request, context);
    case 'embedVoice':
      return engine.embedVoice(call.request, context);
  }
}

/** Settles when the message has left; a parent that is gone is noticed by `disconnect`, not here. */
function send(message: FromEngine): Promise<void> {
  return new Promise((settle) => {
    if (process.send === undefined || !process.connected) settle();
    else process.send(message, undefined, undefined, () => settle());
  });
}
