import { DiaristError } from '../../core/errors.ts';
import { toMilliseconds } from '../timecode.ts';
import type { Transcript, Turn } from '../types.ts';
import type { RenderOptions, TranscriptFormat } from './format.ts';

/**
 * NIST Rich Transcription Time Marked: one `SPEAKER` line a turn. Fields cannot hold spaces: they become `_`.
 * Source: NIST RT-09 evaluation plan, appendix A.
 */
export const rttm: TranscriptFormat<Turn[]> = {
  name: 'rttm',
  extension: 'rttm',
  contentType: 'text/plain; charset=utf-8',
  render,
  parse,
};

function render(transcript: Transcript, options: RenderOptions = {}): string {
  const recording = field(options.recordingName ?? 'recording');
  return transcript.turns
    .map((turn) => {
      const startMs = toMilliseconds(turn.start);
      const lengthMs = Math.max(0, toMilliseconds(turn.end) - startMs);
      const [start, length] = [startMs, lengthMs].map((value) => (value / 1000).toFixed(3));
      return `SPEAKER ${recording} 1 ${start} ${length} <NA> <NA> ${field(turn.speaker)} <NA> <NA>\n`;
    })
    .join('');
}

function field(text: string): string {
  return text.trim().replace(/\s+/gu, '_') || '<NA>';
}

/** Reads the SPEAKER lines; other kinds of line and comments (`;;`) are passed over. */
function parse(text: string): Turn[] {
  const turns: Turn[] = [];
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const fields = line.trim().split(/\s+/);
    if (fields[0] !== 'SPEAKER') continue;
    const [start, length, speaker] = [Number(fields[3]), Number(fields[4]), fields[7]];
    if (!Number.isFinite(start) || !Number.isFinite(length) || speaker === undefined) {
      throw new DiaristError(
        'input_unreadable',
        `This is no RTTM file: "${line.trim().slice(0, 60)}" lacks a start, a duration or a speaker; check that it is the right file.`,
      );
    }
    turns.push({ start, end: Math.round((start + length) * 1e6) / 1e6, speaker });
  }
  return turns;
}
