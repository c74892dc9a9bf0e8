import { FBANK_FRAME_SAMPLES, FBANK_HOP_SAMPLES, fbankFrames } from '../../audio/fbank.ts';
import { FIRST_FRAME_CENTRE, FRAME_SECONDS, FRAME_STEP_SAMPLES } from '../../inference/segmentation/geometry.ts';
import { type FrameTracks, OVERLAP, SILENCE } from './tracks.ts';

/** Fbank frames that are embedded together: pairs of first frame and frame after the last, ascending, [2 n]. */
export type FbankRanges = Int32Array;

/** A piece of clean speech of one track that gets one embedding. */
export interface SubSegment {
  readonly track: number;
  /** Runs are numbered in time order; pooled pieces of several runs carry the number of the first. */
  readonly run: number;
  /** First frame of the piece. */
  readonly start: number;
  /** Frame after its last. */
  readonly end: number;
  /** Stretches of frames it was taken from: pairs of first frame and frame after the last, [2 n]. */
  readonly pieces: Int32Array;
  /** Seconds of speech in it. */
  readonly seconds: number;
  /** Seconds of speech that it stands for: overlapping sub-segments share those of their run. */
  readonly weight: number;
  readonly ranges: FbankRanges;
}

export const SUB_SEGMENT_SECONDS = 1.5;
/** Two sub-segments that overlap by a third place a change of speaker inside a run well enough for the Viterbi pass. */
export const SUB_SEGMENT_HOP_SECONDS = 1.0;
/** What the embedding model takes at most in one item. */
const LONGEST_ITEM_SECONDS = 2.0;
const JOINED_PAUSE_SECONDS = 0.5;
const POOL_SPAN_SECONDS = 10;
const SHORTEST_ITEM_SECONDS = 0.3;

const toFrames = (seconds: number): number => Math.round(seconds / FRAME_SECONDS);

/** A stretch in which one track talks alone, frames listed without the pauses. */
interface Run {
  readonly track: number;
  readonly frames: number[];
}

/**
 * Cuts the speech of tracks that talk alone into sub-segments: runs of a track (pauses to 0.5 s skipped); long runs in
 * pieces of 1.5 s every 1.0 s; short runs of one track within 10 s pooled; what stays under 0.3 s is left out.
 */
export function subSegments(byFrame: FrameTracks, totalSamples: number): SubSegment[] {
  const fbankLimit = fbankFrames(totalSamples);
  const length = toFrames(SUB_SEGMENT_SECONDS);
  const hop = toFrames(SUB_SEGMENT_HOP_SECONDS);
  const segments: SubSegment[] = [];
  poolShortRuns(runsOf(byFrame)).forEach(({ track, frames }, run) => {
    if (frames.length < toFrames(SHORTEST_ITEM_SECONDS)) return;
    const whole = frames.length <= toFrames(LONGEST_ITEM_SECONDS);
    const intervals = whole ? 0 : Math.max(1, Math.round((frames.length - length) / hop));
    const taken = whole ? frames.length : length;
    const weight = (frames.length * FRAME_SECONDS) / (intervals + 1);
    for (let i = 0; i <= intervals; i++) {
      const from = whole ? 0 : Math.round((i * (frames.length - length)) / intervals);
      const segment = segmentOf(track, run, frames.slice(from, from + taken), weight, fbankLimit);
      if (segment !== undefined) segments.push(segment);
    }
  });
  return segments;
}

/** One sub-segment of all `frames` of a track, or none where they hold no whole fbank frame. */
export function segmentOf(
  track: number,
  run: number,
  frames: readonly number[],
  weight: number,
  fbankLimit: number,
): SubSegment | undefined {
  const pieces: number[] = [];
  for (const frame of frames) {
    if (pieces.at(-1) === frame) pieces[pieces.length - 1] = frame + 1;
    else pieces.push(frame, frame + 1);
  }
  const ranges: number[] = [];
  for (let i = 0; i < pieces.length; i += 2) {
    const from = Math.max(ranges.at(-1) ?? 0, fbankFrameAt(pieces[i]!));
    const to = Math.min(fbankLimit, fbankFrameAt(pieces[i + 1]!));
    if (to <= from) continue;
    if (ranges.at(-1) === from) ranges[ranges.length - 1] = to;
    else ranges.push(from, to);
  }
  if (ranges.length === 0) return undefined;
  return {
    track,
    run,
    start: frames[0]!,
    end: frames.at(-1)! + 1,
    pieces: Int32Array.from(pieces),
    seconds: frames.length * FRAME_SECONDS,
    weight,
    ranges: Int32Array.from(ranges),
  };
}

/** The fbank frame whose centre is nearest to where a segmentation frame's own step of audio begins. */
function fbankFrameAt(frame: number): number {
  const sample = frame * FRAME_STEP_SAMPLES + FIRST_FRAME_CENTRE - FRAME_STEP_SAMPLES / 2;
  return Math.max(0, Math.round((sample - FBANK_FRAME_SAMPLES / 2) / FBANK_HOP_SAMPLES));
}

function runsOf({ alone, frames }: FrameTracks): Run[] {
  const joinedPause = toFrames(JOINED_PAUSE_SECONDS);
  const runs: Run[] = [];
  let current: Run | undefined;
  let last = 0;
  for (let t = 0; t < frames; t++) {
    const track = alone[t]!;
    if (track === SILENCE) continue;
    if (track === OVERLAP) {
      current = undefined;
      continue;
    }
    if (current?.track === track && t - last - 1 <= joinedPause) current.frames.push(t);
    else {
      current = { track, frames: [t] };
      runs.push(current);
    }
    last = t;
  }
  return runs;
}

/** Short runs join an earlier short one of their track, so that an embedding rests on enough speech. */
function poolShortRuns(runs: readonly Run[]): Run[] {
  const enough = toFrames(SUB_SEGMENT_SECONDS);
  const most = toFrames(LONGEST_ITEM_SECONDS);
  const span = toFrames(POOL_SPAN_SECONDS);
  const open = new Map<number, Run>();
  const pooled: Run[] = [];
  for (const run of runs) {
    if (run.frames.length >= enough) {
      pooled.push(run);
      continue;
    }
    const pool = open.get(run.track);
    const fits =
      pool !== undefined &&
      pool.frames.length < enough &&
      pool.frames.length + run.frames.length <= most &&
      run.frames.at(-1)! - pool.frames[0]! <= span;
    if (fits) pool.frames.push(...run.frames);
    else {
      const started = { track: run.track, frames: run.frames.slice() };
      open.set(run.track, started);
      pooled.push(started);
    }
  }
  return pooled;
}
