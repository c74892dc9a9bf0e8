import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { diarist } from './program.ts';

const run = promisify(execFile);

/** Runs ffmpeg to write one file. */
export async function ffmpeg(...args: string[]): Promise<void> {
  await run('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', ...args]);
}

/** The two-speaker sample (30 s, WAV, two people on the telephone), from the model store. Pulled when it is missing. */
export async function samplePath(): Promise<string> {
  const pulled = await diarist(['models', 'pull', 'sample']);
  if (pulled.code !== 0) throw new Error(`The sample cannot be fetched: ${pulled.stderr}`);
  const { stdout } = await diarist(['models', 'path', 'sample']);
  const place = stdout.trim();
  return statSync(place).isDirectory() ? path.join(place, 'sample.wav') : place;
}

/** The first 18 seconds of the sample, in which both people speak: enough for words and for two speakers. */
export async function shortClip(target: string): Promise<string> {
  await ffmpeg('-i', await samplePath(), '-t', '18', target);
  return target;
}
