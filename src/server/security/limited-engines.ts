import type { Engines } from '../../host/types.ts';
import { hangUpSignal } from '../hang-up.ts';
import type { ClientEngines } from '../types.ts';
import { ClientPlaces } from './client-places.ts';

/**
 * Each call decodes a recording in a process of its own and then takes an engine before what waits. Four at a time keep
 * an engine busy, so that more of one client would only delay everybody else.
 */
const CALLS_PER_CLIENT = 4;
/** Four clients at full stretch: as many decoders as a small machine bears beside its jobs. */
const CALLS_IN_ALL = 16;

export interface EngineLimits {
  /** Throws `quota_exceeded` where the client has used up its audio. */
  readonly checkQuota: (client: string) => void;
  /** Aborts when the server is told to stop. */
  readonly closing: AbortSignal;
}

/** The work of engines that is no job, a few calls at a time for each client and for all; the others wait. */
export function limitEngines(engines: Engines, { checkQuota, closing }: EngineLimits): ClientEngines {
  const places = new ClientPlaces({ perClient: CALLS_PER_CLIENT, total: CALLS_IN_ALL });
  return {
    async detectLanguage(request, model, recording) {
      const signal = hangUpSignal(request);
      checkQuota(request.client.id);
      using _place = await places.take(request.client.id, { hangUp: signal, closing });
      return await engines.detectLanguage(model, recording, { signal });
    },
    async embedVoice(request, voice) {
      const signal = hangUpSignal(request);
      checkQuota(request.client.id);
      using _place = await places.take(request.client.id, { hangUp: signal, closing });
      return await engines.embedVoice(voice, { signal });
    },
  };
}
