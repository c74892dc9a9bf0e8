import { FBANK_BINS, FBANK_HOP_SAMPLES, fbank, fbankSamples } from '../../audio/fbank.ts';
import { bandDifference } from './bandwidth.ts';
import { EMBEDDING_SIZE, MAX_EMBEDDING_FRAMES } from './embedding-graph.ts';
import type { EmbeddingModel } from './embedding-model.ts';
import type { FbankRanges } from './runs.ts';
import { makeRows, type Rows } from './vectors.ts';

/** What diarization needs to know of each item of audio; buffers can be transferred between threads. */
export interface Embeddings {
  /** Embeddings as the model gives them, [items, 192]. */
  readonly vectors: Rows;
  /** Level of the high band against the speech band (see `bandDifference`), [items]. */
  readonly bandDifferences: Float32Array;
}

/** Mono 16 kHz samples in [-1, 1] of one recording. */
export interface SampleReader {
  read(startSample: number, count: number): Float32Array;
}

/** Eight at once take tensors that the allocator gives back each time: 17 ms an item instead of 14. */
const BATCH = 4;
/** Items are made a multiple of this long, so that most share a length and with it a batch. */
const LENGTH_STEP = 25;
/** Items whose features are held at once: bounds memory for recordings of any length (8 MB). */
const ITEMS_AT_ONCE = 128;

/**
 * Embeds each item of fbank ranges, in the order given. Runs where the model lives (a worker thread): reads only the
 * samples it needs, and items of one length go through the model together.
 */
export async function embedRanges(
  reader: SampleReader,
  items: readonly FbankRanges[],
  model: EmbeddingModel,
): Promise<Embeddings> {
  const vectors = makeRows(items.length);
  const bandDifferences = new Float32Array(items.length);
  for (let from = 0; from < items.length; from += ITEMS_AT_ONCE) {
    const byLength = new Map<number, { item: number; features: Float32Array }[]>();
    for (let item = from; item < Math.min(from + ITEMS_AT_ONCE, items.length); item++) {
      const gathered = gatherFeatures(reader, items[item]!);
      const frames = gathered.length / FBANK_BINS;
      bandDifferences[item] = bandDifference(gathered, frames);
      const features = evenLength(gathered, frames);
      removeMean(features);
      const group = byLength.get(features.length);
      if (group === undefined) byLength.set(features.length, [{ item, features }]);
      else group.push({ item, features });
    }
    for (const [length, group] of byLength) {
      for (let first = 0; first < group.length; first += BATCH) {
        const batch = group.slice(first, first + BATCH);
        const input = new Float32Array(batch.length * length);
        batch.forEach(({ features }, i) => {
          input.set(features, i * length);
        });
        const embeddings = await model.run(input, batch.length, length / FBANK_BINS);
        batch.forEach(({ item }, i) => {
          vectors.set(embeddings.subarray(i * EMBEDDING_SIZE, (i + 1) * EMBEDDING_SIZE), item * EMBEDDING_SIZE);
        });
      }
    }
  }
  return { vectors, bandDifferences };
}

/** Fbank frames of all ranges, one after the other, [frames, 80]. */
function gatherFeatures(reader: SampleReader, ranges: FbankRanges): Float32Array {
  let frames = 0;
  for (let i = 0; i < ranges.length; i += 2) frames += ranges[i + 1]! - ranges[i]!;
  const features = new Float32Array(frames * FBANK_BINS);
  let at = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const count = ranges[i + 1]! - ranges[i]!;
    const samples = reader.read(ranges[i]! * FBANK_HOP_SAMPLES, fbankSamples(count));
    fbank(samples, features.subarray(at * FBANK_BINS, (at + count) * FBANK_BINS));
    at += count;
  }
  return features;
}

/** Cuts the end, or repeats the beginning, to reach the nearest common length. */
function evenLength(features: Float32Array, frames: number): Float32Array {
  const steps = Math.max(1, Math.round(frames / LENGTH_STEP));
  const wanted = Math.min(MAX_EMBEDDING_FRAMES, steps * LENGTH_STEP);
  if (wanted <= frames) return features.slice(0, wanted * FBANK_BINS);
  const even = new Float32Array(wanted * FBANK_BINS);
  for (let at = 0; at < even.length; at += features.length) {
    even.set(features.subarray(0, Math.min(features.length, even.length - at)), at);
  }
  return even;
}

function removeMean(features: Float32Array): void {
  const frames = features.length / FBANK_BINS;
  const mean = new Float64Array(FBANK_BINS);
  for (let at = 0; at < features.length; at += FBANK_BINS) {
    for (let bin = 0; bin < FBANK_BINS; bin++) mean[bin]! += features[at + bin]!;
  }
  for (let bin = 0; bin < FBANK_BINS; bin++) mean[bin]! /= frames;
  for (let at = 0; at < features.length; at += FBANK_BINS) {
    for (let bin = 0; bin < FBANK_BINS; bin++) features[at + bin]! -= mean[bin]!;
  }
}
