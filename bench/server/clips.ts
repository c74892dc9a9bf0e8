import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../bin/diarist', import.meta.url));
/** Where somebody speaks in the two-speaker sample. */
const SPEECH_AT_SECONDS = 10.5;

/** WAV files cut from the two-speaker sample of the model store. */
export class Clips {
  readonly #folder: string;
  readonly #sample: string;
  #tag = 0;

  constructor(folder: string) {
    this.#folder = folder;
    execFileSync(process.execPath, [PROGRAM, 'models', 'pull', 'sample'], { stdio: 'ignore' });
    const store = execFileSync(process.execPath, [PROGRAM, 'models', 'path', 'sample'], { encoding: 'utf8' }).trim();
    this.#sample = store.endsWith('.wav') ? store : join(store, 'sample.wav');
  }

  /** Path of a clip of that length, at most the sample's 19 s from there on. */
  cut(seconds: number): string {
    const path = join(this.#folder, `clip-${seconds}.wav`);
    const place = ['-ss', String(SPEECH_AT_SECONDS), '-t', String(seconds)];
    execFileSync('ffmpeg', ['-loglevel', 'error', '-nostdin', '-y', '-i', this.#sample, ...place, path]);
    return path;
  }

  /** The bytes of a clip with a chunk that makes them different from every other, so that no request joins another. */
  different(path: string): Buffer {
    const chunk = Buffer.alloc(12);
    chunk.write('junk', 0, 'latin1');
    chunk.writeUInt32LE(4, 4);
    chunk.writeUInt32LE(this.#tag++, 8);
    const bytes = Buffer.concat([readFileSync(path), chunk]);
    bytes.writeUInt32LE(bytes.length - 8, 4);
    return bytes;
  }
}
