import { formatTimecode, parseTimecode, TIMECODE, toMilliseconds } from '../timecode.ts';
import type { Segment, Transcript } from '../types.ts';
import { joinSegmentTexts, singleLine } from '../word-text.ts';
import type { ParsedLine, RenderOptions, TranscriptFormat } from './format.ts';

/**
 * Plain text for people. A line a segment; where speakers are shown, a line for everything one speaker says in a row:
 * `SPEAKER_00: …`. With times each line starts with `[00:00:01.000 --> 00:00:04.000] `.
 */
export const txt: TranscriptFormat<ParsedLine[]> = {
  name: 'txt',
  extension: 'txt',
  contentType: 'text/plain; charset=utf-8',
  render,
  parse,
};

function render(transcript: Transcript, options: RenderOptions = {}): string {
  const speakers = options.speakers !== false && transcript.segments.some((segment) => segment.speaker !== undefined);
  const spoken = transcript.segments.filter((segment) => singleLine(segment.text) !== '');
  const blocks = speakers ? speakerBlocks(spoken) : spoken.map((segment) => [segment]);
  return blocks
    .map((segments) => {
      const [first, last] = [segments[0]!, segments.at(-1)!];
      const times =
        options.times === true
          ? `[${formatTimecode(toMilliseconds(first.start), '.')} --> ${formatTimecode(toMilliseconds(last.end), '.')}] `
          : '';
      const name = speakers && first.speaker !== undefined ? `${singleLine(first.speaker)}: ` : '';
      return `${times}${name}${singleLine(joinSegmentTexts(segments))}\n`;
    })
    .join('');
}

function speakerBlocks(segments: readonly Segment[]): Segment[][] {
  const blocks: Segment[][] = [];
  for (const segment of segments) {
    const block = blocks.at(-1);
    if (block !== undefined && block[0]!.speaker === segment.speaker) block.push(segment);
    else blocks.push([segment]);
  }
  return blocks;
}

const LINE = new RegExp(String.raw`^(?:\[(${TIMECODE}) --> (${TIMECODE})\] )?(?:(SPEAKER_\d+): )?(.*)$`, 'u');

function parse(text: string): ParsedLine[] {
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, start, end, speaker, content] = LINE.exec(line)!;
      return {
        ...(start === undefined || end === undefined
          ? {}
          : { start: parseTimecode(start) / 1000, end: parseTimecode(end) / 1000 }),
        text: content ?? '',
        ...(speaker === undefined ? {} : { speaker }),
      };
    });
}
