import { createTranscriber } from '../pipeline/transcriber.ts';
import { serveEngine } from './serve-engine.ts';

/** Entry of the engine process. */
serveEngine(createTranscriber);
