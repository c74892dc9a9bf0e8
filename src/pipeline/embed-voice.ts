import { FBANK_HOP_SAMPLES, fbankFrames } from '../audio/fbank.ts';
import { DiaristError } from '../core/errors.ts';
import type { Seconds } from '../core/units.ts';
import { EMBEDDING_SIZE, MAX_EMBEDDING_FRAMES } from '../engine/diarization/embedding-graph.ts';
import type { FbankRanges } from '../engine/diarization/runs.ts';
import type { SpeechRegion } from '../engine/vad/speech-regions.ts';
import { embedItems } from './embedding-tasks.ts';
import { type SpeechSearch, searchSpeech } from './speech-search.ts';

/** Speech that a voice can be told by at all; CAM++ is blind below. */
const LEAST_FRAMES = 30;

/** A voice is asked for with seconds of it: more would only hold up those who transcribe. */
const MOST_VOICE_SECONDS: Seconds = 60;

/**
 * The unit-length embedding of the one voice in a recording: the mean over all of its speech, taken in items of at most
 * 2 s as diarization takes them. Throws `no_speech` where nobody speaks
 * and `input_too_large` where the recording is longer than a minute.
 */
export async function embedVoice(
  search: Omit<SpeechSearch, 'onRegions'>,
  embeddingGraph: () => Promise<string>,
): Promise<readonly number[]> {
  const regions: SpeechRegion[] = [];
  const audio = await searchSpeech({
    ...search,
    maxInputSeconds: Math.min(search.maxInputSeconds ?? MOST_VOICE_SECONDS, MOST_VOICE_SECONDS),
    onRegions: (found) => {
      regions.push(...found);
      return false;
    },
  });
  const items = itemsOf(regions, fbankFrames(audio.samples));
  if (items.length === 0) {
    throw new DiaristError('no_speech', 'Nobody speaks in this clip: give one with at least two seconds of one voice.');
  }
  const { pool, run, spoolPath } = search;
  const { vectors } = await embedItems(items, { pool, run, spoolPath, graph: await embeddingGraph() });
  return weightedDirection(vectors, items.map(framesOf));
}

/** Speech in the order of time, cut into items of equal length that the embedding model takes. */
function itemsOf(regions: readonly SpeechRegion[], limit: number): FbankRanges[] {
  const frames: number[] = [];
  for (const { startSample, endSample } of regions) {
    const from = Math.max(frames.at(-1) ?? 0, Math.round(startSample / FBANK_HOP_SAMPLES));
    const to = Math.min(limit, Math.round(endSample / FBANK_HOP_SAMPLES));
    for (let frame = from; frame < to; frame++) frames.push(frame);
  }
  if (frames.length < LEAST_FRAMES) return [];
  const count = Math.ceil(frames.length / MAX_EMBEDDING_FRAMES);
  return Array.from({ length: count }, (_, index) => {
    const from = Math.round((index * frames.length) / count);
    return rangesOf(frames.slice(from, Math.round(((index + 1) * frames.length) / count)));
  });
}

function rangesOf(frames: readonly number[]): FbankRanges {
  const ranges: number[] = [];
  for (const frame of frames) {
    if (ranges.at(-1) === frame) ranges[ranges.length - 1] = frame + 1;
    else ranges.push(frame, frame + 1);
  }
  return Int32Array.from(ranges);
}

function framesOf(ranges: FbankRanges): number {
  let frames = 0;
  for (let i = 0; i < ranges.length; i += 2) frames += ranges[i + 1]! - ranges[i]!;
  return frames;
}

/** Mean of the directions of embeddings [weights * 192], as a direction. */
function weightedDirection(vectors: Float32Array, weights: readonly number[]): number[] {
  const sum = new Float64Array(EMBEDDING_SIZE);
  weights.forEach((weight, item) => {
    const vector = vectors.subarray(item * EMBEDDING_SIZE, (item + 1) * EMBEDDING_SIZE);
    const scale = weight / Math.max(lengthOf(vector), Number.MIN_VALUE);
    for (let d = 0; d < EMBEDDING_SIZE; d++) sum[d]! += scale * vector[d]!;
  });
  const length = lengthOf(sum);
  return Array.from(sum, (value) => value / length);
}

function lengthOf(vector: Float32Array | Float64Array): number {
  return Math.hypot(...vector);
}
