import { rmSync } from 'node:fs';
import { toDiaristError } from '../core/errors.ts';
import type { EngineSettings, TranscribeRequest, Transcriber } from '../pipeline/types.ts';
import { type FromEngine, packError, type ToEngine } from './protocol.ts';

export type CreateTranscriber = (settings: EngineSettings) => Transcriber | Promise<Transcriber>;

/**
 * The engine process's side of the channel: starts a transcriber when told to, runs requests at the same time, and
 * exits when told to or when the parent is gone.
 */
export function serveEngine(create: CreateTranscriber): void {
  const running = new Map<number, AbortController>();
  let transcriber: Transcriber | undefined;
  let folder: string | undefined;

  // Ctrl-C and a service stop reach every process of the group: the parent decides what becomes of this one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

  process.on('exit', () => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message: ToEngine) => {
    if (message.type === 'start') void start(message.settings, message.heartbeatMs);
    else if (message.type === 'transcribe') void transcribe(message.ticket, message.request);
    else if (message.type === 'cancel') running.get(message.ticket)?.abort();
    else void close();
  });

  async function start(settings: EngineSettings, heartbeatMs: number): Promise<void> {
    folder = settings.dataDir;
    try {
      transcriber = await create(settings);
    } catch (error) {
      await send({ type: 'startup-failed', error: packError(toDiaristError(error)) });
      process.exit(1);
    }
    void send({ type: 'ready' });
    setInterval(() => void send({ type: 'heartbeat', residentBytes: process.memoryUsage.rss() }), heartbeatMs);
  }

  async function transcribe(ticket: number, request: TranscribeRequest): Promise<void> {
    const controller = new AbortController();
    running.set(ticket, controller);
    try {
      if (transcriber === undefined) throw new Error('A request came before the engine was ready.');
      const transcript = await transcriber.transcribe(request, {
        signal: controller.signal,
        onProgress: (progress) => void send({ type: 'progress', ticket, progress }),
      });
      void send({ type: 'result', ticket, transcript });
    } catch (error) {
      void send({ type: 'failed', ticket, error: packError(toDiaristError(error)) });
    } finally {
      running.delete(ticket);
    }
  }

  async function close(): Promise<void> {
    for (const controller of running.values()) controller.abort();
    await transcriber?.close().catch(() => {});
    process.exit(0);
  }
}

/** Settles when the message has left; a parent that is gone is noticed by `disconnect`, not here. */
function send(message: FromEngine): Promise<void> {
  return new Promise((settle) => {
    if (process.send === undefined || !process.connected) settle();
    else process.send(message, undefined, undefined, () => settle());
  });
}
