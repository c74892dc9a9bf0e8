import { type DecodedAudio, decodeToSpool } from '../audio/decode.ts';
import { SAMPLE_RATE, type Seconds } from '../core/units.ts';
import { type SpeechRegion, SpeechRegionDetector } from '../engine/vad/speech-regions.ts';
import { WINDOW_FRAMES, WINDOW_SAMPLES, windowCount } from '../inference/segmentation/geometry.ts';
import type { VoiceRequest } from './types.ts';
import type { InferencePool, TaskOptions } from './worker/inference-pool.ts';

/** Segmentation windows handed to a worker at a time: as many as it runs together, so that nobody waits for more. */
export const WINDOWS_PER_TASK = 4;
/** Hop of the segmentation windows where only speech is looked for: a quarter of overlap is enough. */
export const HOP_FOR_SPEECH = 7.5 * SAMPLE_RATE;

export interface SpeechSearch {
  readonly request: VoiceRequest;
  /** Receives the decoded audio. */
  readonly spoolPath: string;
  readonly pool: InferencePool;
  readonly run: TaskOptions;
  /** Longer recordings are refused. */
  readonly maxInputSeconds: Seconds | undefined;
  /** Speech in order of time; true where that is enough and no more is wanted. */
  readonly onRegions: (regions: readonly SpeechRegion[], searchedSeconds: Seconds) => boolean;
}

/**
 * Decodes a recording and finds its speech, hand in hand, so that no more is decoded than is wanted. Throws what
 * `decodeToSpool` throws.
 */
export async function searchSpeech(search: SpeechSearch): Promise<DecodedAudio> {
  const { pool, run, request, spoolPath, maxInputSeconds } = search;
  const detector = new SpeechRegionDetector({ hopSamples: HOP_FOR_SPEECH });
  let segmented = 0;
  let enough = false;
  const segmentUpTo = async (count: number): Promise<void> => {
    while (segmented < count && !enough) {
      const size = Math.min(WINDOWS_PER_TASK, count - segmented);
      const startSamples = Array.from({ length: size }, (_, index) => (segmented + index) * HOP_FOR_SPEECH);
      const classes = await pool.segment({ spool: spoolPath, startSamples }, run);
      const regions = startSamples.flatMap((_, index) =>
        detector.push(segmented + index, classes.subarray(index * WINDOW_FRAMES, (index + 1) * WINDOW_FRAMES)),
      );
      segmented += size;
      enough = search.onRegions(regions, (segmented * HOP_FOR_SPEECH) / SAMPLE_RATE);
    }
  };
  const audio = await decodeToSpool(request, {
    spoolPath,
    ...(run.signal === undefined ? {} : { signal: run.signal }),
    ...(maxInputSeconds === undefined ? {} : { maxSeconds: maxInputSeconds }),
    onSamples: async (chunk, startSample) => {
      const whole = Math.floor((startSample + chunk.length - WINDOW_SAMPLES) / HOP_FOR_SPEECH) + 1;
      if (whole - segmented >= WINDOWS_PER_TASK) await segmentUpTo(whole);
    },
    until: () => enough,
  });
  await segmentUpTo(windowCount(audio.samples, HOP_FOR_SPEECH));
  if (!enough) search.onRegions(detector.flush(audio.samples), audio.seconds);
  return audio;
}
