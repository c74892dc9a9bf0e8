/**
 * Models that the engine needs to start, the recognition model first: the others find speech (segmentation) and tell
 * voices apart (embedding), whatever is asked of a recording.
 */
export function neededModels(recognition: string): readonly string[] {
  return [recognition, 'segmentation-3.0', 'campplus'];
}
