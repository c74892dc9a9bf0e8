import { fbankFrames } from '../../audio/fbank.ts';
import type { Seconds } from '../../core/units.ts';
import { FRAME_SECONDS } from '../../inference/segmentation/geometry.ts';
import type { Speaker, Turn, Warning } from '../../transcript/types.ts';
import { narrowBandFlags } from './bandwidth.ts';
import { type Calibration, calibrate, scoreOf } from './calibration.ts';
import { clusterItems } from './clustering.ts';
import { withContext } from './context.ts';
import type { Embeddings } from './embed-ranges.ts';
import { type FrameSpeakers, labelOverlaps, type ScoredSegment } from './overlap.ts';
import { type FbankRanges, type SubSegment, segmentOf, subSegments } from './runs.ts';
import { boundSpeakers, dropAndMerge, type SpeakerBounds } from './speaker-count.ts';
import {
  type FrameTracks,
  linkTracks,
  type SegmentedRecording,
  SILENCE,
  type Tracks,
  tracksByFrame,
} from './tracks.ts';
import { bridgePauses, labelsInOrder, labelTurns, type SpeakerTurn, TURN_PAUSE_SECONDS, turnsOf } from './turns.ts';
import { addRow, makeRows, normalizedRows, type Rows, rowCount, rowDot, rowOf } from './vectors.ts';
import { labelFrames } from './viterbi.ts';
import { nearestVoices, type Voices, voicesOf, type WeightedItems } from './voices.ts';

export interface DiarizationInput extends SegmentedRecording {
  /** Embeds items of fbank ranges, in order; `embedRanges` on one or more threads. */
  embed(items: readonly FbankRanges[]): Promise<Embeddings>;
}

export interface Diarization {
  /** Who spoke when, for people: short pauses bridged; turns of different speakers may overlap. */
  readonly turns: Turn[];
  /** One speaker at a time, pauses left out: what words are assigned by. */
  readonly exclusive: Turn[];
  /** In order of first speech. */
  readonly speakers: Speaker[];
  readonly warnings: Warning[];
}

const CLUSTER_SCORE = 0.6;
/** Speech, with its context, that a sub-segment needs to take part in finding the speakers. */
const LEAST_CONTEXT_SECONDS = 1.5;
const LEAST_CLEAN_SECONDS = 0.3;
const LEAST_OVERLAPPED_SECONDS = 0.13;
const MOST_OVERLAPPED_FRAMES = 118;
/** Overlap that proves a second speaker where only one voice was found. */
const SECOND_SPEAKER_OVERLAP_SECONDS = 0.5;

/**
 * Who spoke when. Steps: local speakers of all windows become tracks; clean speech of tracks becomes sub-segments with
 * embeddings; the recording calibrates its own scores; clustering finds the speakers; a Viterbi pass gives each frame its
 * speaker, and overlapped frames two.
 */
export async function diarize(input: DiarizationInput, bounds: SpeakerBounds = {}): Promise<Diarization> {
  const tracks = linkTracks(input);
  const byFrame = tracksByFrame(input, tracks);
  const segments = subSegments(byFrame, input.totalSamples);
  if (segments.length === 0) return { turns: [], exclusive: [], speakers: [], warnings: [] };

  const { vectors: embeddings, bandDifferences } = await input.embed(segments.map(({ ranges }) => ranges));
  const units = normalizedRows(embeddings);
  const narrow = narrowBandFlags(segments, bandDifferences);
  const calibration = calibrate(segments, units, narrow, tracks);
  const context = withContext(segments, units, narrow, calibration);

  const items = findingItems(segments, context.vectors, context.seconds, narrow);
  const { voices, warnings } = await findVoices(items, calibration, bounds);

  const clean = scoredSegments(segments, context.vectors, narrow, voices, calibration);
  const speakers = rowCount(voices.centroids);
  const labels = labelFrames(byFrame, segments, joinScores(clean, speakers), speakers);
  const overlapped = await embedOverlapped(input, byFrame, tracks, segments, voices, calibration);
  const frames = labelOverlaps(byFrame, tracks, labels, clean, overlapped, speakers);
  return { ...describe(frames, voices, input.totalSamples, bounds), warnings };
}

/** Sub-segments that rest on enough speech; all where that leaves fewer than two. */
function findingItems(
  segments: readonly SubSegment[],
  vectors: Rows,
  seconds: Float32Array,
  narrow: Uint8Array,
): WeightedItems {
  const enough = segments.map((_, i) => i).filter((i) => seconds[i]! >= LEAST_CONTEXT_SECONDS);
  const chosen = enough.length < 2 ? segments.map((_, i) => i) : enough;
  const rows = makeRows(chosen.length);
  chosen.forEach((segment, i) => {
    addRow(rows, i, vectors, segment, 1);
  });
  return {
    vectors: rows,
    narrow: Uint8Array.from(chosen, (i) => narrow[i]!),
    weights: Float32Array.from(chosen, (i) => segments[i]!.weight),
  };
}

async function findVoices(
  items: WeightedItems,
  calibration: Calibration,
  bounds: SpeakerBounds,
): Promise<{ voices: Voices; warnings: Warning[] }> {
  const clusters = await clusterItems(items, calibration, CLUSTER_SCORE);
  const found = await dropAndMerge(items, clusters, calibration, bounds.speakers ?? bounds.minSpeakers ?? 1);
  const voices = voicesOf(items, found.labels, found.count);
  const { speakers, minSpeakers, maxSpeakers } = bounds;
  if (speakers === undefined && minSpeakers === undefined && maxSpeakers === undefined) return { voices, warnings: [] };
  const assigned = { labels: nearestVoices(items, voices.centroids), count: found.count };
  const { labels, count, warnings } = await boundSpeakers(items, assigned, calibration, bounds);
  return { voices: voicesOf(items, labels, count), warnings };
}

function scoredSegments(
  segments: readonly SubSegment[],
  vectors: Rows,
  narrow: Uint8Array,
  voices: Voices,
  calibration: Calibration,
): ScoredSegment[] {
  return segments.map((segment, i) => ({
    segment,
    scores: Float32Array.from(voices.narrow, (band, k) =>
      scoreOf(calibration, rowDot(voices.centroids, k, vectors, i), band === 1 && narrow[i] === 1),
    ),
  }));
}

function joinScores(scored: readonly ScoredSegment[], speakers: number): Float32Array {
  const joined = new Float32Array(scored.length * speakers);
  scored.forEach(({ scores }, i) => {
    joined.set(scores, i * speakers);
  });
  return joined;
}

/** Tracks with next to no clean speech are embedded once with all they say, others' voices included. */
async function embedOverlapped(
  input: DiarizationInput,
  byFrame: FrameTracks,
  tracks: Tracks,
  segments: readonly SubSegment[],
  voices: Voices,
  calibration: Calibration,
): Promise<ScoredSegment[]> {
  const cleanSeconds = new Float64Array(tracks.count);
  for (const { track, seconds } of segments) cleanSeconds[track]! += seconds;
  const framesOf = new Map<number, number[]>();
  for (let t = 0; t < byFrame.frames; t++) {
    if (byFrame.alone[t] === SILENCE) continue;
    for (const track of [byFrame.first[t]!, byFrame.second[t]!]) {
      if (track < 0 || cleanSeconds[track]! >= LEAST_CLEAN_SECONDS) continue;
      const frames = framesOf.get(track);
      if (frames === undefined) framesOf.set(track, [t]);
      else if (frames.length < MOST_OVERLAPPED_FRAMES) frames.push(t);
    }
  }
  const limit = fbankFrames(input.totalSamples);
  const found: SubSegment[] = [];
  for (const [track, frames] of framesOf) {
    if (frames.length * FRAME_SECONDS < LEAST_OVERLAPPED_SECONDS) continue;
    const segment = segmentOf(track, -1, frames, 0, limit);
    if (segment !== undefined) found.push(segment);
  }
  if (found.length === 0) return [];
  const { vectors, bandDifferences } = await input.embed(found.map(({ ranges }) => ranges));
  const narrow = narrowBandFlags(found, bandDifferences);
  return scoredSegments(found, normalizedRows(vectors), narrow, voices, calibration);
}

function describe(
  frames: FrameSpeakers,
  voices: Voices,
  totalSamples: number,
  bounds: SpeakerBounds,
): Omit<Diarization, 'warnings'> {
  const found = rowCount(voices.centroids);
  const heard = withoutDoubtfulSecond(frames, found, bounds);
  const spoken = turnsOf(heard, totalSamples);
  const one = turnsOf({ first: heard.first, second: new Int32Array(heard.first.length).fill(-1) }, totalSamples);
  const labels = labelsInOrder(spoken);
  const speakers = Array.from(labels, ([speaker, label]): Speaker => {
    const seconds = secondsOf(spoken, speaker);
    if (speaker >= found) return { label, seconds };
    return { label, seconds, embedding: Array.from(rowOf(voices.centroids, speaker)) };
  });
  return {
    turns: labelTurns(bridgePauses(spoken, TURN_PAUSE_SECONDS), labels),
    exclusive: labelTurns(one, labels),
    speakers,
  };
}

/** A second speaker who is only ever heard in overlap needs half a second of it. */
function withoutDoubtfulSecond(frames: FrameSpeakers, found: number, bounds: SpeakerBounds): FrameSpeakers {
  if (found !== 1) return frames;
  const overlap = frames.second.reduce((count, speaker) => count + (speaker === 1 ? 1 : 0), 0) * FRAME_SECONDS;
  const most = bounds.speakers ?? bounds.maxSpeakers ?? Number.POSITIVE_INFINITY;
  if (most > 1 && overlap >= SECOND_SPEAKER_OVERLAP_SECONDS) return frames;
  return { first: frames.first, second: frames.second.map(() => -1) };
}

function secondsOf(turns: readonly SpeakerTurn[], speaker: number): Seconds {
  return turns.reduce((sum, turn) => sum + (turn.speaker === speaker ? turn.end - turn.start : 0), 0);
}
