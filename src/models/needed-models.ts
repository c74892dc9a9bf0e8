/**
 * Models that a run needs, the recognition model first: segmentation finds speech whatever is asked of a recording, the
 * embedding model tells voices apart where speakers are asked for.
 */
export function neededModels(recognition: string, withSpeakers = true): readonly string[] {
  return [recognition, 'segmentation-3.0', ...(withSpeakers ? ['campplus'] : [])];
}
