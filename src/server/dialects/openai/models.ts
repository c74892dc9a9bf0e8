import { DiaristError } from '../../../core/errors.ts';
import type { SpeechModel, SpeechModels } from '../../types.ts';
import type { ModelBody } from './schemas.ts';

/** A model as OpenAI lists it. */
export function modelBody({ id, created, ownedBy }: SpeechModel): ModelBody {
  return { id, object: 'model', created, owned_by: ownedBy };
}

/** The model of an id as clients know it. Throws `model_not_found` (404). */
export async function findModel(models: SpeechModels, id: string): Promise<ModelBody> {
  const found = (await models.list()).find((model) => model.id === id);
  if (found !== undefined) return modelBody(found);
  throw new DiaristError('model_not_found', `There is no model "${id}" here: GET /v1/models lists those there are.`, {
    param: 'model',
  });
}
