/**
 * Shapes of segmentation-3.0 (pyannote, powerset): what goes in, when its frames are, and what its classes say.
 * Frame i of a window covers 991 samples around sample 270 i + 495 of the window.
 */

/** Samples of one window: 10 s at 16 kHz, as the model was trained. */
export const WINDOW_SAMPLES = 160_000;
/** Frames that the model gives for one window. */
export const WINDOW_FRAMES = 589;
/** Samples from one frame to the next (16.875 ms). */
export const FRAME_STEP_SAMPLES = 270;
/** Sample at which frame 0 is centred. */
export const FIRST_FRAME_CENTRE = 495;
/** Seconds from one frame to the next. */
export const FRAME_SECONDS = FRAME_STEP_SAMPLES / 16_000;
/** Speakers that one window can tell apart. */
export const LOCAL_SPEAKERS = 3;

/** Local speakers of each class as bits: bit s is set where speaker s talks. Order of the model's outputs. */
export const POWERSET_BITS: Uint8Array = Uint8Array.of(0b000, 0b001, 0b010, 0b100, 0b011, 0b101, 0b110);

/** How many speakers talk in each class. */
export const POWERSET_COUNT: Uint8Array = Uint8Array.of(0, 1, 1, 1, 2, 2, 2);

/**
 * How many windows a recording needs at this hop: windows start at 0, hop, 2 hop …, the last is padded with zeros where
 * the recording ends inside it. At least one.
 */
export function windowCount(totalSamples: number, hopSamples: number): number {
  if (totalSamples <= WINDOW_SAMPLES) return 1;
  return 1 + Math.ceil((totalSamples - WINDOW_SAMPLES) / hopSamples);
}

/** Frame of the whole recording that frame 0 of the window starting at this sample falls on. */
export function firstFrameOfWindow(startSample: number): number {
  return Math.round(startSample / FRAME_STEP_SAMPLES);
}
