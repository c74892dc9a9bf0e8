import { DiaristError } from '../../core/errors.ts';
import { toMilliseconds } from '../timecode.ts';
import type { Transcript } from '../types.ts';
import { singleLine } from '../word-text.ts';
import type { ParsedLine, RenderOptions, TranscriptFormat } from './format.ts';

/**
 * Tab-separated values with a header: `start`, `end` (whole milliseconds) and `text`, as openai-whisper writes them, and
 * `speaker` as a last column where the transcript has speakers.
 */
export const tsv: TranscriptFormat<ParsedLine[]> = {
  name: 'tsv',
  extension: 'tsv',
  contentType: 'text/tab-separated-values; charset=utf-8',
  render,
  parse,
};

function render(transcript: Transcript, options: RenderOptions = {}): string {
  const speakers = options.speakers !== false && transcript.segments.some((segment) => segment.speaker !== undefined);
  const rows = transcript.segments.map((segment) => {
    const cells = [toMilliseconds(segment.start), toMilliseconds(segment.end), singleLine(segment.text)];
    return speakers ? [...cells, singleLine(segment.speaker ?? '')] : cells;
  });
  const header = speakers ? ['start', 'end', 'text', 'speaker'] : ['start', 'end', 'text'];
  return [header, ...rows].map((cells) => `${cells.join('\t')}\n`).join('');
}

function parse(text: string): ParsedLine[] {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => line !== '');
  const header = (lines[0] ?? '').split('\t');
  const [startAt, endAt, textAt, speakerAt] = ['start', 'end', 'text', 'speaker'].map((name) => header.indexOf(name));
  if (startAt! < 0 || endAt! < 0 || textAt! < 0) {
    throw new DiaristError(
      'input_unreadable',
      'This is no TSV transcript: its first line must name the columns start, end and text.',
    );
  }
  return lines.slice(1).map((line) => {
    const cells = line.split('\t');
    const speaker = speakerAt! < 0 ? '' : (cells[speakerAt!] ?? '');
    return {
      start: Number(cells[startAt!]) / 1000,
      end: Number(cells[endAt!]) / 1000,
      text: cells[textAt!] ?? '',
      ...(speaker === '' ? {} : { speaker }),
    };
  });
}
