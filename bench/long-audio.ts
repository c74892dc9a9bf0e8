import { join } from 'node:path';
import { failedRun, type InputFile } from './contenders/contender.ts';
import { measure } from './process-tree.ts';

/** Writes `minutes` of 16 kHz mono into the folder, by repeating or cutting a recording. */
export async function makeLongAudio(source: string, minutes: number, folder: string): Promise<InputFile> {
  const path = join(folder, `${minutes}-minutes.wav`);
  const args = [
    '-v',
    'error',
    '-y',
    '-stream_loop',
    '-1',
    '-i',
    source,
    '-t',
    String(minutes * 60),
    '-ac',
    '1',
    '-ar',
    '16000',
    path,
  ];
  const run = await measure({ command: 'ffmpeg', args });
  if (run.exitCode !== 0) throw failedRun('ffmpeg', run.exitCode, run.stderr);
  return { id: `${minutes} min`, path };
}
