import { DiaristError } from '../core/errors.ts';
import type { WeightSource } from '../core/tensors.ts';
import { openCTranslate2 } from './readers/ctranslate2.ts';
import { openSafetensors } from './readers/safetensors.ts';
import { openTorch } from './readers/torch.ts';
import type { ResolvedModel } from './types.ts';

/**
 * Opens the weights of a model under the names its file gives them; tensors are read when asked for. The caller closes
 * it. Throws `model_corrupt`, or `model_unsupported` for formats that hold no tensors to read.
 */
export function openWeights(model: ResolvedModel): WeightSource {
  switch (model.format) {
    case 'ctranslate2':
      return openCTranslate2(model.weights);
    case 'safetensors':
      return openSafetensors(model.weights);
    case 'torch':
      return openTorch(model.weights);
    case 'onnx':
    case 'wav':
      throw new DiaristError('model_unsupported', `${model.name} is ${model.format.toUpperCase()}, not a weight file.`);
  }
}
