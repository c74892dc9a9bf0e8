import { type CueRules, DEFAULT_CUE_RULES } from '../cue.ts';
import type { RenderOptions } from './format.ts';

export function cueRules(options: RenderOptions): CueRules {
  return {
    ...DEFAULT_CUE_RULES,
    ...(options.maxLineWidth === undefined ? {} : { maxLineWidth: options.maxLineWidth }),
    ...(options.maxLines === undefined ? {} : { maxLines: options.maxLines }),
  };
}
