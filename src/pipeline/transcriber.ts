import { DiaristError } from '../core/errors.ts';
import { chooseProvider } from '../inference/devices.ts';
import { ModelStore } from '../models/store.ts';
import { detectLanguage } from './detect-language.ts';
import { embedVoice } from './embed-voice.ts';
import { embeddingGraph, planEngine } from './engine-plan.ts';
import { assertEmbeddings } from './known-speakers.ts';
import { transcribeRecording } from './recording.ts';
import type { SpeechSearch } from './speech-search.ts';
import { withSpool } from './spool-file.ts';
import type { Engine, EngineSettings, RunContext, TranscribeRequest, VoiceRequest } from './types.ts';
import { InferencePool } from './worker/inference-pool.ts';

/** Starts an engine: resolves the models, writes missing graphs, starts the inference workers. */
export async function createTranscriber(settings: EngineSettings): Promise<Engine> {
  const store = new ModelStore({ cacheDir: settings.cacheDir });
  const { provider, note } = await chooseProvider(settings.device);
  const plan = await planEngine(settings, store, provider);
  const pool = new InferencePool(plan.setup, plan.workers);
  await pool.ready();
  let calls = 0;
  let graph: Promise<string> | undefined;
  const environment = {
    pool,
    dataDir: settings.dataDir,
    models: plan.models,
    identity: plan.identity,
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
  /** What a short question about a recording needs. */
  const asking = <T>(
    request: VoiceRequest,
    { signal }: RunContext,
    answer: (search: Omit<SpeechSearch, 'onRegions'>) => Promise<T>,
  ): Promise<T> =>
    withSpool(settings.dataDir, (spoolPath) =>
      answer({
        request,
        spoolPath,
        pool,
        // A question goes before all that waits.
        run: {
          turn: { flow: `question ${++calls}`, weight: Number.POSITIVE_INFINITY, sharing: true },
          ...(signal === undefined ? {} : { signal }),
        },
        maxInputSeconds: settings.maxInputSeconds,
      }),
    );
  return {
    device: provider,
    failed: pool.failed,
    metrics: () => pool.metrics(),
    async transcribe(request: TranscribeRequest, context: RunContext = {}) {
      if (context.signal?.aborted === true) throw new DiaristError('cancelled', 'Cancelled.');
      assertEmbeddings(request.options.knownSpeakers ?? []);
      const { flow = `recording ${++calls}`, weight = 1 } = request.turn ?? {};
      return transcribeRecording(
        request,
        { ...environment, turn: { flow, weight, sharing: request.turn !== undefined } },
        context,
      );
    },
    detectLanguage: (request, context = {}) => asking(request, context, detectLanguage),
    embedVoice: (request, context = {}) =>
      asking(request, context, (search) => embedVoice(search, environment.embeddingGraph)),
    close: () => pool.close(),
  };
}
