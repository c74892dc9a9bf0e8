import { DiaristError } from '../core/errors.ts';
import { chooseProvider } from '../inference/devices.ts';
import { ModelStore } from '../models/store.ts';
import { planEngine } from './engine-plan.ts';
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
  return {
    transcribe(request: TranscribeRequest, context: RunContext = {}) {
      if (context.signal?.aborted === true) return Promise.reject(new DiaristError('cancelled', 'Cancelled.'));
      const { models } = plan;
      const notes = note === undefined ? [] : [{ code: 'gpu_unused', message: note }];
      return transcribeRecording(request, { pool, dataDir: settings.dataDir, models, notes, rank: rank++ }, context);
    },
    close: () => pool.close(),
  };
}
