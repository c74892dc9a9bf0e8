import { DiaristError } from '../core/errors.ts';
import { chooseProvider } from '../inference/devices.ts';
import { ModelStore } from '../models/store.ts';
import { embeddingGraph, planEngine } from './engine-plan.ts';
import { transcribeRecording } from './recording.ts';
import type { EngineSettings, RunContext, TranscribeRequest, Transcriber } from './types.ts';
import { InferencePool } from './worker/inference-pool.ts';

/** Starts an engine: resolves the models, writes missing graphs, starts the inference workers. */
export async function createTranscriber(settings: EngineSettings): Promise<Transcriber> {
  const store = new ModelStore({ cacheDir: settings.cacheDir });
  const { provider, note } = await chooseProvider(settings.device);
  const plan = await planEngine(settings, store, provider);
  const pool = new InferencePool(plan.setup, plan.workers);
  await pool.ready();
  let rank = 0;
  let graph: Promise<string> | undefined;
  const environment = {
    pool,
    dataDir: settings.dataDir,
    models: plan.models,
    notes: note === undefined ? [] : [{ code: 'gpu_unused', message: note }],
    maxInputSeconds: settings.maxInputSeconds,
    embeddingGraph: () => {
      graph ??= embeddingGraph(settings, store);
      // A failure is not remembered: the model may be there the next time.
      graph.catch(() => {
        graph = undefined;
      });
      return graph;
    },
  };
  return {
    transcribe(request: TranscribeRequest, context: RunContext = {}) {
      if (context.signal?.aborted === true) return Promise.reject(new DiaristError('cancelled', 'Cancelled.'));
      return transcribeRecording(request, { ...environment, rank: rank++ }, context);
    },
    close: () => pool.close(),
  };
}
