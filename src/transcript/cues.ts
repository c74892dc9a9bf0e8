import type { Seconds } from '../core/units.ts';
import { type Cue, type CueRules, type CueToken, DEFAULT_CUE_RULES } from './cue.ts';
import { chooseCueBreaks } from './cue-breaks.ts';
import { breakLines } from './cue-lines.ts';
import { settleCueTimes } from './cue-timing.ts';
import { displayWidth } from './display-width.ts';
import { toMilliseconds } from './timecode.ts';
import type { Segment } from './types.ts';
import { breakableParts, singleLine } from './word-text.ts';

/**
 * Cuts segments into cues: never over the width and line limits (unless one word alone is wider than a line), never
 * two speakers in one, never overlapping in time, at sentence and clause ends where possible.
 *
 * @param prefixWidth columns that the first line needs before its text when the speaker changes (a name, in SRT).
 */
export function buildCues(
  segments: readonly Segment[],
  duration: Seconds,
  rules: CueRules = DEFAULT_CUE_RULES,
  prefixWidth: (speaker: string | undefined) => number = () => 0,
): Cue[] {
  const cues: Cue[] = [];
  for (const run of speakerRuns(segments)) {
    const tokens = run.segments.flatMap(segmentTokens);
    const prefix = prefixWidth(run.speaker);
    let from = 0;
    for (const to of chooseCueBreaks(tokens, rules, prefix)) {
      const own = tokens.slice(from, to);
      cues.push({
        startMs: own[0]!.startMs,
        endMs: own.at(-1)!.endMs,
        ...(run.speaker === undefined ? {} : { speaker: run.speaker }),
        speakerChanges: from === 0,
        lines: breakLines(own, rules, from === 0 ? prefix : 0),
      });
      from = to;
    }
  }
  return settleCueTimes(cues, toMilliseconds(duration), rules);
}

interface SpeakerRun {
  readonly speaker: string | undefined;
  readonly segments: Segment[];
}

function speakerRuns(segments: readonly Segment[]): SpeakerRun[] {
  const runs: SpeakerRun[] = [];
  for (const segment of segments) {
    if (segmentTokens(segment).length === 0) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.speaker === segment.speaker) last.segments.push(segment);
    else runs.push({ speaker: segment.speaker, segments: [segment] });
  }
  return runs;
}

function segmentTokens(segment: Segment): CueToken[] {
  const words = (segment.words ?? []).filter((word) => singleLine(word.text) !== '');
  const timed = words.length > 0 ? words.map(timedWord) : proportionalParts(segment);
  return timed.map((token, index) => ({ ...token, endsSegment: index === timed.length - 1 }));
}

type TimedText = Omit<CueToken, 'endsSegment'>;

function timedWord(word: NonNullable<Segment['words']>[number], index: number): TimedText {
  const text = singleLine(word.text);
  const startMs = toMilliseconds(word.start);
  return {
    text,
    spaceBefore: index === 0 || word.spaceBefore !== false,
    startMs,
    endMs: Math.max(startMs, toMilliseconds(word.end)),
    width: displayWidth(text),
    isTimed: true,
  };
}

/** Without word times every column of the text takes the same share of the segment's time. */
function proportionalParts(segment: Segment): TimedText[] {
  const parts = breakableParts(segment.text);
  const widths = parts.map((part) => Math.max(1, displayWidth(part.text)));
  const total = widths.reduce((sum, width) => sum + width, 0);
  const startMs = toMilliseconds(segment.start);
  const lengthMs = Math.max(0, toMilliseconds(segment.end) - startMs);
  let before = 0;
  return parts.map((part, index) => {
    const token = {
      text: part.text,
      spaceBefore: index === 0 || part.spaceBefore !== false,
      startMs: startMs + Math.round((lengthMs * before) / total),
      endMs: startMs + Math.round((lengthMs * (before + widths[index]!)) / total),
      width: displayWidth(part.text),
      isTimed: false,
    };
    before += widths[index]!;
    return token;
  });
}
