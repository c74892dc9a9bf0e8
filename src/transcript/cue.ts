/**
 * What players and subtitlers expect of a cue. Lengths are in columns (`displayWidth`: a Chinese character counts
 * two), times in milliseconds. Defaults follow the common core of the Netflix and BBC timed-text guides.
 */
export interface CueRules {
  readonly maxLineWidth: number;
  readonly maxLines: number;
  readonly minDurationMs: number;
  readonly maxDurationMs: number;
  /** Reading speed aimed at; a cue stays on screen longer to reach it where there is room. */
  readonly columnsPerSecond: number;
  readonly minGapMs: number;
  /** A silence longer than this always ends a cue. */
  readonly maxPauseMs: number;
}

export const DEFAULT_CUE_RULES: CueRules = {
  maxLineWidth: 42,
  maxLines: 2,
  minDurationMs: 700,
  maxDurationMs: 7000,
  columnsPerSecond: 17,
  minGapMs: 80,
  maxPauseMs: 1500,
};

/** A word, or where word times are missing a breakable part of the text, with the time it is spoken. */
export interface CueToken {
  readonly text: string;
  readonly spaceBefore: boolean;
  readonly startMs: number;
  readonly endMs: number;
  readonly width: number;
  /** False where the times are a share of the segment's, not measured. */
  readonly isTimed: boolean;
  /** True on the last token of a segment: the best place to end a cue. */
  readonly endsSegment: boolean;
}

/** One subtitle: lines of tokens of one speaker, shown from `startMs` until `endMs`. */
export interface Cue {
  readonly startMs: number;
  readonly endMs: number;
  readonly speaker?: string;
  /** True on the first cue after somebody else's. */
  readonly speakerChanges: boolean;
  readonly lines: readonly (readonly CueToken[])[];
}
