import type { Seconds } from '../../core/units.ts';
import { displayWidth } from '../../transcript/display-width.ts';
import type { RecognizedChunk } from '../../transcript/recognized.ts';
import type { Segment, Turn, Word } from '../../transcript/types.ts';
import { breakableParts, joinWords } from '../../transcript/word-text.ts';
import { assignSpeakers, dominantSpeaker, TurnIndex } from './assign-speakers.ts';
import { DEFAULT_SEGMENT_LIMITS, type SegmentLimits, segmentEnds } from './segment-breaks.ts';
import { smoothSpeakers } from './smooth-speakers.ts';

export interface MergeOptions {
  /** Exclusive turns; absent where nobody asked who speaks. */
  readonly turns?: readonly Turn[];
  /** Language of the transcript: segments of another one say so. */
  readonly language?: string | null;
  readonly limits?: SegmentLimits;
}

/** A word and the chunk it comes from; `isTimed` is false where its time is a share of the chunk's. */
interface PlacedWord extends Word {
  readonly chunk: number;
  readonly tokens: readonly number[] | undefined;
}

/**
 * Makes the transcript's segments from what recognition heard and who spoke when. Every word is kept, in order;
 * segments of one speaker never overlap; a segment comes from one chunk and carries the figures of its first reading.
 * Chunks without words become segments by sentence, at times proportional to the text, spoken by whoever spoke most.
 */
export function buildSegments(chunks: readonly RecognizedChunk[], options: MergeOptions = {}): Segment[] {
  const ordered = [...chunks].sort((a, b) => a.start - b.start);
  const placed = inOrder(ordered.flatMap(placeWords));
  const turns = options.turns;
  const hasSpeakers = turns !== undefined;
  const spoken = hasSpeakers ? smoothSpeakers(assignSpeakers(placed, turns)) : placed;
  const index = new TurnIndex(turns ?? []);
  const isTimed = (word: PlacedWord): boolean => ordered[word.chunk]!.words.length > 0;
  const words = spoken.map((word) => (isTimed(word) ? word : withoutSpeaker(word)));

  const segments: Segment[] = [];
  let from = 0;
  for (const to of segmentEnds(words, options.limits ?? DEFAULT_SEGMENT_LIMITS)) {
    const own = words.slice(from, to);
    const chunk = ordered[own[0]!.chunk]!;
    const span = { start: own[0]!.start, end: own.at(-1)!.end };
    const timed = isTimed(own[0]!);
    const speaker = timed || !hasSpeakers ? own[0]!.speaker : dominantSpeaker(span, index);
    const isFirstOfChunk = words[from - 1]?.chunk !== own[0]!.chunk;
    segments.push({
      id: segments.length,
      ...span,
      text: joinWords(own),
      ...(speaker === undefined ? {} : { speaker }),
      ...(timed ? { words: own.map(plainWord) } : {}),
      tokens:
        own[0]!.tokens === undefined ? (isFirstOfChunk ? chunk.tokens : []) : own.flatMap((word) => word.tokens ?? []),
      temperature: chunk.temperature,
      avgLogprob: chunk.avgLogprob,
      compressionRatio: chunk.compressionRatio,
      noSpeechProb: chunk.noSpeechProb,
      ...(options.language === undefined || options.language === null || options.language === chunk.language
        ? {}
        : { language: chunk.language }),
    });
    from = to;
  }
  return segments;
}

function placeWords(chunk: RecognizedChunk, index: number): PlacedWord[] {
  const words = chunk.words.length > 0 ? chunk.words : proportionalWords(chunk);
  const counts = chunk.tokensPerWord;
  const isCounted = chunk.words.length > 0 && counts?.length === words.length;
  let used = 0;
  return words.map((word, position) => {
    let tokens: readonly number[] | undefined;
    if (isCounted) {
      const end = position === words.length - 1 ? chunk.tokens.length : used + counts[position]!;
      tokens = chunk.tokens.slice(used, end);
      used = end;
    }
    return { ...word, chunk: index, tokens };
  });
}

function proportionalWords(chunk: RecognizedChunk): Word[] {
  const parts = breakableParts(chunk.text);
  const widths = parts.map((part) => Math.max(1, displayWidth(part.text)));
  const secondsPerColumn = Math.max(0, chunk.end - chunk.start) / widths.reduce((sum, width) => sum + width, 0);
  let clock = chunk.start;
  return parts.map((part, index) => {
    const start = clock;
    clock = Math.min(chunk.end, clock + widths[index]! * secondsPerColumn);
    return { ...part, start, end: Math.max(start, clock), probability: 0 };
  });
}

/** Times that never go back, whatever a chunk says about its last word and the next chunk about its first. */
function inOrder(words: readonly PlacedWord[]): PlacedWord[] {
  let clock: Seconds = 0;
  return words.map((word) => {
    const start = Number.isFinite(word.start) ? Math.max(clock, word.start) : clock;
    const end = Number.isFinite(word.end) ? Math.max(start, word.end) : start;
    clock = end;
    return { ...word, start, end };
  });
}

function withoutSpeaker(word: PlacedWord): PlacedWord {
  const { speaker: _, ...rest } = word;
  return rest;
}

function plainWord({ chunk: _, tokens: __, ...word }: PlacedWord): Word {
  return word;
}
