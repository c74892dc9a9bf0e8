/** Time in seconds, as every public number of this project that speaks of time. */
export type Seconds = number;

/** All audio inside the engine is mono at this rate (Hz): what Whisper, segmentation-3.0 and CAM++ were trained on. */
export const SAMPLE_RATE = 16_000;

/** Length in seconds of so many samples at {@link SAMPLE_RATE}. */
export const samplesToSeconds = (count: number): Seconds => count / SAMPLE_RATE;
