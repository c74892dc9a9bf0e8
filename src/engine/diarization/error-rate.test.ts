import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diarizationErrors } from '../../../bench/scoring/diarization-error.ts';
import { FFMPEG_FROM_PATH } from '../../audio/ffmpeg.ts';
import { evaluationAudio } from '../../audio/test-clips.ts';
import { scratchFolder } from '../../inference/fixtures/scratch-folder.ts';
import { storedModel } from '../../inference/segmentation/fixtures/stored-model.ts';
import { WINDOW_FRAMES, WINDOW_SAMPLES, windowCount } from '../../inference/segmentation/geometry.ts';
import { writeSegmentationGraph } from '../../inference/segmentation/graph.ts';
import { SegmentationModel } from '../../inference/segmentation/model.ts';
import { openSession } from '../../inference/session.ts';
import { openWeights } from '../../models/open-weights.ts';
import type { Turn } from '../../transcript/types.ts';
import { type Diarization, diarize } from './diarize.ts';
import { embedRanges } from './embed-ranges.ts';
import { writeEmbeddingGraph } from './embedding-graph.ts';
import { EmbeddingModel } from './embedding-model.ts';

/**
 * Recordings with references, and bounds on the error rate (collar 0, overlap counted) that leave room for the rounding of
 * other machines: a change that crosses them has broken something.
 */
const RECORDINGS = [
  { id: 'pyannote_sample', audio: 'diarization/pyannote_sample.flac', seconds: 30, bound: 0.09, people: 2 },
  { id: 'ami_dev00', audio: 'diarization/ami_dev00.flac', seconds: 30, bound: 0.35, people: undefined },
  { id: 'ami_en2001_series', audio: 'longform/ami_en2001_series.flac', seconds: 120, bound: 0.33, people: 5 },
] as const;
const HOP = 40_000;

const data = evaluationAudio();
const segmentation = await storedModel('segmentation-3.0');
const embedding = await storedModel('campplus');

describe.skipIf(data === undefined || segmentation === undefined || embedding === undefined)('error rate', () => {
  it.each(RECORDINGS)('of $id', async ({ audio, seconds, bound, people }) => {
    const path = join(data!, audio);
    const found = await diarizeFile(path);
    const reference = readRttm(path.replace(/\.\w+$/, '.rttm'));
    expect(diarizationErrors(reference, found.turns, seconds).rate).toBeLessThan(bound);
    if (people !== undefined) expect(found.speakers).toHaveLength(people);
  });
});

async function diarizeFile(path: string): Promise<Diarization> {
  using folder = scratchFolder();
  const graphs = {
    segmentation: join(folder.path, 'segmentation.onnx'),
    embedding: join(folder.path, 'embedding.onnx'),
  };
  writeSegmentationGraph(openWeights(segmentation!), graphs.segmentation);
  writeEmbeddingGraph(openWeights(embedding!), graphs.embedding);
  const settings = { provider: 'cpu', threads: 1, arena: true } as const;
  const segmenter = new SegmentationModel(await openSession(graphs.segmentation, settings));
  const embedder = new EmbeddingModel(await openSession(graphs.embedding, settings));
  const pcm = execFileSync(
    FFMPEG_FROM_PATH.ffmpeg,
    ['-v', 'error', '-i', path, '-ac', '1', '-ar', '16000', '-f', 'f32le', '-'],
    {
      maxBuffer: 1 << 28,
    },
  );
  const samples = new Float32Array(pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.length));
  const windows = windowCount(samples.length, HOP);
  const classes = new Uint8Array(windows * WINDOW_FRAMES);
  for (let w = 0; w < windows; w++) {
    const window = new Float32Array(WINDOW_SAMPLES);
    window.set(samples.subarray(w * HOP, w * HOP + WINDOW_SAMPLES));
    classes.set(await segmenter.run(window, 1), w * WINDOW_FRAMES);
  }
  const reader = { read: (start: number, count: number) => samples.subarray(start, start + count) };
  return diarize({
    classes,
    hopSamples: HOP,
    totalSamples: samples.length,
    embed: (items) => embedRanges(reader, items, embedder),
  });
}

function readRttm(path: string): Turn[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [kind, , , start, length, , , speaker] = line.split(/\s+/);
    if (kind !== 'SPEAKER' || speaker === undefined) return [];
    return [{ start: Number(start), end: Number(start) + Number(length), speaker }];
  });
}
