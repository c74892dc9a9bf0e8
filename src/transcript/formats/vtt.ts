import { DiaristError } from '../../core/errors.ts';
import type { Cue } from '../cue.ts';
import { buildCues } from '../cues.ts';
import { formatTimecode, parseTimecode, TIMECODE } from '../timecode.ts';
import type { Transcript } from '../types.ts';
import { joinWords, singleLine } from '../word-text.ts';
import { cueRules } from './cue-options.ts';
import type { ParsedCue, RenderOptions, TranscriptFormat } from './format.ts';

/**
 * WebVTT. Every cue names its speaker in a voice tag (`<v SPEAKER_00>`); with `highlightWords` each word carries the
 * time it is spoken at (`<00:00:01.000>`). Source: https://www.w3.org/TR/webvtt1/
 */
export const vtt: TranscriptFormat<ParsedCue[]> = {
  name: 'vtt',
  extension: 'vtt',
  contentType: 'text/vtt; charset=utf-8',
  render,
  parse,
};

function render(transcript: Transcript, options: RenderOptions = {}): string {
  const cues = buildCues(transcript.segments, transcript.duration, cueRules(options));
  const blocks = cues.map((cue) => {
    const voice =
      options.speakers === false || cue.speaker === undefined ? '' : `<v ${escapeVtt(singleLine(cue.speaker))}>`;
    const timing = `${formatTimecode(cue.startMs, '.')} --> ${formatTimecode(cue.endMs, '.')}`;
    return `${timing}\n${voice}${cueText(cue, options.highlightWords === true)}\n`;
  });
  return ['WEBVTT\n', ...blocks].join('\n');
}

function cueText(cue: Cue, highlightWords: boolean): string {
  // The standard wants each time stamp to lie inside the cue and after the one before it.
  let clock = cue.startMs;
  return cue.lines
    .map((line) =>
      joinWords(
        line.map((token) => {
          const text = escapeVtt(token.text);
          const isInside = token.isTimed && token.startMs > clock && token.startMs < cue.endMs;
          if (!highlightWords || !isInside) return { ...token, text };
          clock = token.startMs;
          return { ...token, text: `<${formatTimecode(clock, '.')}>${text}` };
        }),
      ),
    )
    .join('\n');
}

function escapeVtt(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  nbsp: '\u00a0',
  lrm: '\u200e',
  rlm: '\u200f',
};

function unescapeVtt(text: string): string {
  return text.replace(/&(amp|lt|gt|nbsp|lrm|rlm);/g, (_, name: string) => ENTITIES[name]!);
}

const TIMING = new RegExp(String.raw`^\s*(${TIMECODE})\s+-->\s+(${TIMECODE})`);
const VOICE = /^<v(?:\.[^ \t>]+)*[ \t]([^>]*)>/;

/** Drops cue settings, identifiers, notes, styles, regions and every tag but the first voice tag. */
function parse(text: string): ParsedCue[] {
  const normalised = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n');
  if (!/^WEBVTT(?:[ \t\n]|$)/.test(normalised)) {
    throw new DiaristError(
      'input_unreadable',
      'This is no WebVTT file: its first line is not WEBVTT; check that it is the right file.',
    );
  }
  const cues: ParsedCue[] = [];
  for (const paragraph of normalised.split(/\n{2,}/).slice(1)) {
    const lines = paragraph.split('\n');
    const timingAt = TIMING.test(lines[0] ?? '') ? 0 : 1;
    const timing = TIMING.exec(lines[timingAt] ?? '');
    if (timing === null) continue;
    const content = lines
      .slice(timingAt + 1)
      .join('\n')
      .replace(/\n+$/, '');
    const speaker = VOICE.exec(content)?.[1];
    cues.push({
      start: parseTimecode(timing[1]!) / 1000,
      end: parseTimecode(timing[2]!) / 1000,
      text: unescapeVtt(content.replace(/<[^>]*>/g, '')),
      ...(speaker === undefined ? {} : { speaker: unescapeVtt(speaker) }),
    });
  }
  return cues;
}
