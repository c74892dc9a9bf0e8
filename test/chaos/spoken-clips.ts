import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ffmpeg, samplePath } from '../recordings.ts';
import type { ScratchFolder } from '../scratch-folder.ts';

const run = promisify(execFile);

const PLACES = ['harbour', 'garden', 'station', 'library', 'market', 'bridge', 'kitchen', 'valley'];
const THINGS = ['blue boat', 'old clock', 'paper map', 'silver key', 'wooden chair', 'green bottle', 'small drum'];
/** Every so many recordings one is long, and has two speakers. */
const LONG_EVERY = 10;

/**
 * Recordings that are all different: sentences by espeak-ng, some 3 s each, and now and then the two-speaker sample, twice
 * over.
 */
export async function spokenClips(folder: ScratchFolder, count: number): Promise<string[]> {
  const sample = await samplePath();
  const clips: string[] = [];
  for (let index = 0; index < count; index++) {
    const clip = folder.file(`clip-${index}.wav`);
    const place = PLACES[index % PLACES.length];
    const thing = THINGS[index % THINGS.length];
    if (index % LONG_EVERY === LONG_EVERY - 1) {
      await ffmpeg('-stream_loop', '1', '-i', sample, '-t', String(50 + index / 10), clip);
    } else {
      await run('espeak-ng', ['-s', '150', '-w', clip, `Number ${index + 1}: the ${thing} is in the ${place}.`]);
    }
    clips.push(clip);
  }
  return clips;
}

/** The same audio in other bytes: a server that knows the recording has to do it again. Works on RIFF WAVE files. */
export async function withOtherBytes(clip: string, target: string, tag: number): Promise<string> {
  const bytes = await readFile(clip);
  const chunk = Buffer.alloc(12);
  chunk.write('junk', 0, 'latin1');
  chunk.writeUInt32LE(4, 4);
  chunk.writeUInt32LE(tag, 8);
  const tagged = Buffer.concat([bytes, chunk]);
  tagged.writeUInt32LE(tagged.length - 8, 4);
  await writeFile(target, tagged);
  return target;
}
