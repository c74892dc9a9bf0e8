import { DiaristError } from '../../core/errors.ts';
import type { Cue, CueToken } from '../cue.ts';
import { buildCues } from '../cues.ts';
import { displayWidth } from '../display-width.ts';
import { formatTimecode, parseTimecode, TIMECODE } from '../timecode.ts';
import type { Transcript } from '../types.ts';
import { joinWords, singleLine } from '../word-text.ts';
import { cueRules } from './cue-options.ts';
import type { ParsedCue, RenderOptions, TranscriptFormat } from './format.ts';

/**
 * SubRip. A cue says its speaker as `SPEAKER_00: ` where the speaker changes. With `highlightWords` every cue is written
 * once a word, the spoken word in `<u>`, as openai-whisper's writer does.
 */
export const srt: TranscriptFormat<ParsedCue[]> = {
  name: 'srt',
  extension: 'srt',
  contentType: 'application/x-subrip; charset=utf-8',
  render,
  parse,
};

function render(transcript: Transcript, options: RenderOptions = {}): string {
  const prefix = (speaker: string | undefined): string =>
    options.speakers === false || speaker === undefined ? '' : `${singleLine(speaker)}: `;
  const cues = buildCues(transcript.segments, transcript.duration, cueRules(options), (speaker) =>
    displayWidth(prefix(speaker)),
  );
  const blocks = cues.flatMap((cue) => {
    const shown = cue.speakerChanges ? prefix(cue.speaker) : '';
    return options.highlightWords === true
      ? highlighted(cue, shown)
      : [block(cue.startMs, cue.endMs, shown, cue.lines)];
  });
  return blocks.map((text, index) => `${index + 1}\n${text}\n`).join('\n');
}

function block(
  startMs: number,
  endMs: number,
  prefix: string,
  lines: readonly (readonly CueToken[])[],
  marked?: CueToken,
): string {
  const text = lines
    .map((line) =>
      joinWords(line.map((token) => (token === marked ? { ...token, text: `<u>${token.text}</u>` } : token))),
    )
    .join('\n');
  return `${formatTimecode(startMs, ',')} --> ${formatTimecode(endMs, ',')}\n${prefix}${text}`;
}

function highlighted(cue: Cue, prefix: string): string[] {
  const blocks: string[] = [];
  let clock = cue.startMs;
  for (const token of cue.lines.flat().filter((own) => own.isTimed)) {
    const startMs = Math.min(Math.max(token.startMs, clock), cue.endMs);
    const endMs = Math.min(Math.max(token.endMs, startMs), cue.endMs);
    if (startMs > clock) blocks.push(block(clock, startMs, prefix, cue.lines));
    if (endMs > startMs) blocks.push(block(startMs, endMs, prefix, cue.lines, token));
    clock = endMs;
  }
  if (cue.endMs > clock) blocks.push(block(clock, cue.endMs, prefix, cue.lines));
  return blocks;
}

const TIMING = new RegExp(String.raw`^\s*(${TIMECODE})\s*-->\s*(${TIMECODE})`);
const SPEAKER_PREFIX = /^(SPEAKER_\d+): /;

/** Drops `<u>` marks; a speaker is read from the prefix this program writes. */
function parse(text: string): ParsedCue[] {
  const cues: ParsedCue[] = [];
  for (const paragraph of text
    .replace(/^\uFEFF/, '')
    .replace(/\r\n?/g, '\n')
    .split(/\n{2,}/)) {
    const lines = paragraph.split('\n').filter((line) => line.trim() !== '');
    if (lines.length === 0) continue;
    const timingAt = lines.findIndex((line) => TIMING.test(line));
    const timing = TIMING.exec(lines[timingAt] ?? '');
    if (timing === null || timingAt > 1) {
      throw new DiaristError(
        'input_unreadable',
        `This is no SRT file: "${lines[0]!.slice(0, 40)}" stands where a time line should be; check that it is the right file.`,
      );
    }
    const content = lines
      .slice(timingAt + 1)
      .join('\n')
      .replace(/<\/?u>/g, '');
    const speaker = SPEAKER_PREFIX.exec(content)?.[1];
    cues.push({
      start: parseTimecode(timing[1]!) / 1000,
      end: parseTimecode(timing[2]!) / 1000,
      text: speaker === undefined ? content : content.slice(speaker.length + 2),
      ...(speaker === undefined ? {} : { speaker }),
    });
  }
  return cues;
}
