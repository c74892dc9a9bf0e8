/** A number that carries its unit in its type, so that two units cannot be mixed by accident. */
type Brand<B extends string> = { readonly __unit: B };

/** Time in seconds, as every public number of this project that speaks of time. */
export type Seconds = number;
/** A count of samples, or a position in samples, at {@link SAMPLE_RATE}. */
export type Samples = number & Brand<'Samples'>;

/** All audio inside the engine is mono at this rate (Hz): what Whisper, segmentation-3.0 and CAM++ were trained on. */
export const SAMPLE_RATE = 16_000;

export const samples = (count: number): Samples => Math.round(count) as Samples;
export const secondsToSamples = (seconds: Seconds): Samples => Math.round(seconds * SAMPLE_RATE) as Samples;
export const samplesToSeconds = (count: number): Seconds => count / SAMPLE_RATE;
