import { closeSync, openSync, readSync } from 'node:fs';
import type { Seconds } from '../../core/units.ts';
import type { Priority } from '../types.ts';

/** Headerless samples: 16-bit, 16 kHz, mono. */
const PCM_BYTES_PER_SECOND = 32_000;
/** Compressed speech as clients send it, 64 kbit/s; half or double of that orders a queue as well. */
const COMPRESSED_BYTES_PER_SECOND = 8_000;
/** A recording of unknown size: one that is still to be fetched. */
export const UNKNOWN_AUDIO_SECONDS: Seconds = 300;

const INTERACTIVE_SECONDS: Seconds = 60;
const BATCH_SECONDS: Seconds = 3600;

/** Bytes up to the end of the format chunk of a plain RIFF/WAVE file. */
const WAVE_HEADER_BYTES = 32;

/** About how long a recording is, by its size and, for WAVE, the byte rate in its header. Nothing is decoded. */
export function estimateAudioSeconds(path: string, bytes: number, format?: 's16le'): Seconds {
  if (format === 's16le') return bytes / PCM_BYTES_PER_SECOND;
  const header = Buffer.alloc(WAVE_HEADER_BYTES);
  const file = openSync(path, 'r');
  try {
    readSync(file, header, 0, WAVE_HEADER_BYTES, 0);
  } finally {
    closeSync(file);
  }
  const isWave = header.toString('latin1', 0, 4) === 'RIFF' && header.toString('latin1', 8, 16) === 'WAVEfmt ';
  const byteRate = isWave ? header.readUInt32LE(28) : 0;
  return bytes / (byteRate > 0 ? byteRate : COMPRESSED_BYTES_PER_SECOND);
}

/** The class of a job whose client named none: a dictation is waited for, a recording of hours is not. */
export function priorityFor(audioSeconds: Seconds): Priority {
  if (audioSeconds <= INTERACTIVE_SECONDS) return 'interactive';
  return audioSeconds <= BATCH_SECONDS ? 'normal' : 'batch';
}
