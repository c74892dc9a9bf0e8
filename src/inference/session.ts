import { InferenceSession, Tensor } from 'onnxruntime-node';
import { DiaristError } from '../core/errors.ts';

export { InferenceSession, Tensor };

export type Provider = 'cpu' | 'cuda' | 'webgpu' | 'coreml';

export interface SessionSettings {
  readonly provider: Provider;
  /** Intra-op threads of this session. */
  readonly threads: number;
  /** The arena trades memory for fewer page faults; off where the memory goal matters more. */
  readonly arena: boolean;
  /**
   * False for graphs that are written exactly as they are to run: optimising those again only costs start-up time. True
   * (the default) where the runtime's layouts help, as for convolutions.
   */
  readonly optimize?: boolean;
}

/** Opens a graph written by this program. Throws `device_unavailable` where the provider cannot be had. */
export async function openSession(path: string, settings: SessionSettings): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(path, {
      executionProviders: settings.provider === 'cpu' ? ['cpu'] : [settings.provider, 'cpu'],
      intraOpNumThreads: settings.threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      graphOptimizationLevel: settings.optimize === false ? 'disabled' : 'all',
      enableCpuMemArena: settings.arena,
      // Plans of past shapes keep the memory of the largest: 25 to 40 MB a session, for no time that could be measured.
      enableMemPattern: false,
      extra: { session: { intra_op: { allow_spinning: settings.threads > 1 ? '1' : '0' } } },
    });
  } catch (error) {
    if (settings.provider === 'cpu') throw error;
    throw new DiaristError(
      'device_unavailable',
      `The ${settings.provider} device cannot be used here${reasonOf(error)}: run with --device cpu.`,
      { cause: error },
    );
  }
}

/** What the runtime says for people, in brackets; nothing where it only names its own source code. */
function reasonOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  const said = line
    .split(/ was false\. | : FAIL : | with error: |^Ort\w+: /)
    .at(-1)!
    .trim();
  return said === '' || /::|\.cc:/.test(said) ? '' : ` (${said})`;
}
