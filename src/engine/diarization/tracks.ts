import {
  FRAME_STEP_SAMPLES,
  firstFrameOfWindow,
  LOCAL_SPEAKERS,
  POWERSET_BITS,
  POWERSET_COUNT,
  WINDOW_FRAMES,
} from '../../inference/segmentation/geometry.ts';

/** What the segmentation model said about every window of one recording. */
export interface SegmentedRecording {
  /** Powerset class per frame, [windows * 589]. */
  readonly classes: Uint8Array;
  /** Window w starts at sample w * hopSamples. */
  readonly hopSamples: number;
  readonly totalSamples: number;
}

/** Value of {@link FrameTracks.alone} where nobody talks. */
export const SILENCE = -1;
/** Value of {@link FrameTracks.alone} where two tracks talk. */
export const OVERLAP = -2;

/**
 * A track is one local speaker followed from window to window for as long as neighbouring windows agree on him.
 */
export interface Tracks {
  readonly windows: number;
  readonly count: number;
  /** Track of each local speaker, [windows * 3]; -1 where he is silent in that window. */
  readonly ofLocalSpeaker: Int32Array;
  /** Recording frame on which each window's frame 0 falls, [windows]. */
  readonly windowFrames: Int32Array;
}

/** Tracks by frame of the recording (16.875 ms each). */
export interface FrameTracks {
  readonly frames: number;
  /** The window whose centre is nearest. */
  readonly owner: Int32Array;
  /** The track that most windows hear; -1 where nobody talks. */
  readonly first: Int32Array;
  /** The second track where two talk, else -1. */
  readonly second: Int32Array;
  /** The track that talks alone, {@link SILENCE} or {@link OVERLAP}. */
  readonly alone: Int32Array;
}

/**
 * Links the local speakers of neighbouring windows to tracks, one to one, most shared speech first.
 */
export function linkTracks({ classes, hopSamples }: SegmentedRecording): Tracks {
  const windows = classes.length / WINDOW_FRAMES;
  const windowFrames = Int32Array.from({ length: windows }, (_, w) => firstFrameOfWindow(w * hopSamples));
  const ofLocalSpeaker = new Int32Array(windows * LOCAL_SPEAKERS).fill(-1);
  const shared = new Int32Array(LOCAL_SPEAKERS * LOCAL_SPEAKERS);
  let count = 0;
  for (let w = 0; w < windows; w++) {
    if (w > 0) {
      const shift = windowFrames[w]! - windowFrames[w - 1]!;
      countSharedFrames(classes, w, shift, shared);
      for (;;) {
        const best = indexOfMax(shared);
        if (shared[best] === 0) break;
        const before = Math.floor(best / LOCAL_SPEAKERS);
        const now = best % LOCAL_SPEAKERS;
        ofLocalSpeaker[w * LOCAL_SPEAKERS + now] = ofLocalSpeaker[(w - 1) * LOCAL_SPEAKERS + before]!;
        for (let s = 0; s < LOCAL_SPEAKERS; s++) {
          shared[before * LOCAL_SPEAKERS + s] = 0;
          shared[s * LOCAL_SPEAKERS + now] = 0;
        }
      }
    }
    const heard = speakersHeard(classes, w);
    for (let s = 0; s < LOCAL_SPEAKERS; s++) {
      const at = w * LOCAL_SPEAKERS + s;
      if (ofLocalSpeaker[at]! < 0 && (heard >> s) & 1) ofLocalSpeaker[at] = count++;
    }
  }
  return { windows, count, ofLocalSpeaker, windowFrames };
}

/** shared[before * 3 + now] = frames in which both talk, over the overlap of windows w - 1 and w. */
function countSharedFrames(classes: Uint8Array, w: number, shift: number, shared: Int32Array): void {
  shared.fill(0);
  const before = (w - 1) * WINDOW_FRAMES;
  const now = w * WINDOW_FRAMES - shift;
  for (let f = shift; f < WINDOW_FRAMES; f++) {
    const a = POWERSET_BITS[classes[before + f]!]!;
    const b = POWERSET_BITS[classes[now + f]!]!;
    if (a === 0 || b === 0) continue;
    for (let i = 0; i < LOCAL_SPEAKERS; i++) {
      if (((a >> i) & 1) === 0) continue;
      for (let j = 0; j < LOCAL_SPEAKERS; j++) shared[i * LOCAL_SPEAKERS + j]! += (b >> j) & 1;
    }
  }
}

function indexOfMax(values: Int32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

function speakersHeard(classes: Uint8Array, w: number): number {
  let heard = 0;
  for (let f = w * WINDOW_FRAMES; f < (w + 1) * WINDOW_FRAMES; f++) heard |= POWERSET_BITS[classes[f]!]!;
  return heard;
}

/** An extra half vote for the window whose centre is nearest decides ties. */
const VOTE = 2;
const OWNER_VOTE = 3;

/**
 * Who talks in each frame: as many tracks (at most two) as the windows over it count on average, those with most votes.
 */
export function tracksByFrame(recording: SegmentedRecording, tracks: Tracks): FrameTracks {
  const { classes, totalSamples } = recording;
  const { windows, windowFrames, ofLocalSpeaker } = tracks;
  const frames = Math.floor(totalSamples / FRAME_STEP_SAMPLES) + 1;
  const owner = new Int32Array(frames);
  const first = new Int32Array(frames).fill(-1);
  const second = new Int32Array(frames).fill(-1);
  const alone = new Int32Array(frames).fill(SILENCE);
  const candidates: number[] = [];
  const votes: number[] = [];
  let from = 0;
  let until = 0;
  let nearest = 0;
  for (let t = 0; t < frames; t++) {
    while (from + 1 < windows && t >= windowFrames[from]! + WINDOW_FRAMES) from++;
    while (until < windows && windowFrames[until]! <= t) until++;
    const distance = (w: number): number => Math.abs(t - windowFrames[w]! - WINDOW_FRAMES / 2);
    while (nearest + 1 < windows && distance(nearest + 1) <= distance(nearest)) nearest++;
    owner[t] = nearest;

    candidates.length = 0;
    votes.length = 0;
    let speakers = 0;
    let covering = 0;
    for (let w = from; w < until; w++) {
      const f = t - windowFrames[w]!;
      if (f >= WINDOW_FRAMES) continue;
      covering++;
      const powerset = classes[w * WINDOW_FRAMES + f]!;
      speakers += POWERSET_COUNT[powerset]!;
      const bits = POWERSET_BITS[powerset]!;
      for (let s = 0; s < LOCAL_SPEAKERS; s++) {
        if (((bits >> s) & 1) === 0) continue;
        const track = ofLocalSpeaker[w * LOCAL_SPEAKERS + s]!;
        let at = candidates.indexOf(track);
        if (at < 0) {
          at = candidates.push(track) - 1;
          votes.push(0);
        }
        votes[at]! += w === nearest ? OWNER_VOTE : VOTE;
      }
    }
    const talking = covering === 0 ? 0 : Math.min(2, candidates.length, Math.round(speakers / covering));
    if (talking === 0) continue;
    const top = takeBest(candidates, votes);
    first[t] = top;
    alone[t] = top;
    if (talking === 2) {
      second[t] = takeBest(candidates, votes);
      alone[t] = OVERLAP;
    }
  }
  return { frames, owner, first, second, alone };
}

function takeBest(candidates: readonly number[], votes: number[]): number {
  let best = 0;
  for (let i = 1; i < votes.length; i++) if (votes[i]! > votes[best]!) best = i;
  votes[best] = -1;
  return candidates[best]!;
}
