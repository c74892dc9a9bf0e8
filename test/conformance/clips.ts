import { readFile } from 'node:fs/promises';
import { ffmpeg, samplePath } from '../recordings.ts';
import type { ScratchFolder } from '../scratch-folder.ts';

/** Recordings of the two-speaker sample: two women on the telephone, one of them (Diane) in New Jersey. */
export interface Clips {
  /** The whole sample, 30 s. */
  readonly long: string;
  /** 12 s in which both speak. */
  readonly talk: string;
  /** 4 s of Diane alone, from what `talk` has not. */
  readonly diane: string;
}

export async function makeClips(folder: ScratchFolder): Promise<Clips> {
  const long = await samplePath();
  const talk = folder.file('talk.wav');
  const diane = folder.file('diane.wav');
  await ffmpeg('-i', long, '-ss', '6', '-t', '12', talk);
  await ffmpeg('-i', long, '-ss', '18.2', '-t', '3.3', diane);
  return { long, talk, diane };
}

/** What is said in `talk`; the words that a small model hears every time. */
export const TALK = { words: [/hello/i, /new jersey/i, /chicago/i], seconds: 12 };

/** Headerless 16-bit samples, 16 kHz, mono. */
export async function headerless(clip: string, target: string): Promise<Buffer> {
  await ffmpeg('-i', clip, '-f', 's16le', '-ac', '1', '-ar', '16000', target);
  return await readFile(target);
}

export async function dataUrl(clip: string, type = 'audio/wav'): Promise<string> {
  return `data:${type};base64,${(await readFile(clip)).toString('base64')}`;
}
