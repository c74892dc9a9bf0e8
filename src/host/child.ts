import { siblingModule } from '../core/modules.ts';
import { type CreateTranscriber, serveEngine } from './serve-engine.ts';

/** Entry of the engine process. The pipeline is loaded only when the engine is to start: loading it is what takes time. */
serveEngine(async (settings) => {
  const pipeline: { createTranscriber: CreateTranscriber } = await import(
    siblingModule(import.meta.url, '../pipeline/transcriber').href
  );
  return pipeline.createTranscriber(settings);
});
