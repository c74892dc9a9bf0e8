/** A model that a run uses. */
export interface NeededModel {
  readonly name: string;
  /** Without it words are recognised all the same, but nobody says whose they are. */
  readonly optional: boolean;
}

/**
 * Models that a run needs, the recognition model first: segmentation finds speech whatever is asked of a recording, the
 * embedding model tells voices apart where speakers are asked for.
 */
export function neededModels(recognition: string, withSpeakers = true): readonly NeededModel[] {
  return [
    { name: recognition, optional: false },
    { name: 'segmentation-3.0', optional: false },
    ...(withSpeakers ? [{ name: 'campplus', optional: true }] : []),
  ];
}
