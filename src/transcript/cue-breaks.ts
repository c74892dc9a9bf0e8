import type { CueRules, CueToken } from './cue.ts';
import { SHORT_WORD } from './cue-lines.ts';
import { endsClause, endsSentence } from './sentences.ts';

/** What a choice costs; only the proportions matter. Set by eye on English, German and Chinese transcripts. */
const COST = {
  cue: 10,
  breakAtClause: 6,
  breakAtPause: 8,
  breakInClause: 22,
  breakAfterShortWord: 5,
  sentenceEndInside: 6,
  pauseInside: 12,
  tooShort: 30,
  fewColumns: 0.6,
  tooFast: 2.5,
} as const;
const PAUSE_MS = 350;
const FEW_COLUMNS = 16;
/** How long a cue may stay after its last word to be readable. */
export const MAX_HOLD_MS = 1000;

/**
 * Chooses where the cues of one speaker's run of tokens end, by dynamic programming over all places that keep within
 * the hard limits (lines, width, duration, pauses). Returns the exclusive end of each cue, the last one being
 * `tokens.length`; empty for no tokens.
 */
export function chooseCueBreaks(tokens: readonly CueToken[], rules: CueRules, firstPrefixWidth: number): number[] {
  const count = tokens.length;
  const best = new Float64Array(count + 1).fill(Number.POSITIVE_INFINITY);
  const from = new Int32Array(count + 1);
  best[0] = 0;
  for (let start = 0; start < count; start++) {
    const fit = new LineFit(rules, start === 0 ? firstPrefixWidth : 0);
    let inside = 0;
    for (let end = start; end < count; end++) {
      const token = tokens[end]!;
      const fits = fit.add(token);
      if (end > start && (!fits || !mayStay(tokens, start, end, rules))) break;
      const cost = best[start]! + inside + cueCost(tokens, start, end, fit.columns, rules) + breakCost(tokens, end);
      if (cost < best[end + 1]!) {
        best[end + 1] = cost;
        from[end + 1] = start;
      }
      inside += insideCost(tokens, end);
    }
  }
  const ends: number[] = [];
  for (let end = count; end > 0; end = from[end]!) ends.push(end);
  return ends.reverse();
}

/** Fills lines first-fit, which needs the fewest lines; {@link columns} is the text's width on one line. */
export class LineFit {
  columns = 0;
  #lines = 1;
  #lineIsEmpty = true;
  #lineWidth: number;
  readonly #rules: CueRules;

  constructor(rules: CueRules, prefixWidth: number) {
    this.#rules = rules;
    this.#lineWidth = prefixWidth;
  }

  /** Adds a token; false where the text no longer fits into the allowed lines. */
  add(token: CueToken): boolean {
    const space = this.columns > 0 && token.spaceBefore ? 1 : 0;
    this.columns += space + token.width;
    if (this.#lineWidth + space + token.width <= this.#rules.maxLineWidth || this.#lineIsEmpty) {
      this.#lineWidth += space + token.width;
      this.#lineIsEmpty = false;
    } else {
      this.#lines += 1;
      this.#lineWidth = token.width;
    }
    return this.#lines <= this.#rules.maxLines && this.#lineWidth <= this.#rules.maxLineWidth;
  }
}

function mayStay(tokens: readonly CueToken[], start: number, end: number, rules: CueRules): boolean {
  const pause = tokens[end]!.startMs - tokens[end - 1]!.endMs;
  return pause <= rules.maxPauseMs && tokens[end]!.endMs - tokens[start]!.startMs <= rules.maxDurationMs;
}

function cueCost(tokens: readonly CueToken[], start: number, end: number, columns: number, rules: CueRules): number {
  const spokenMs = tokens[end]!.endMs - tokens[start]!.startMs;
  const next = tokens[end + 1];
  const room = next === undefined ? MAX_HOLD_MS : Math.max(0, next.startMs - rules.minGapMs - tokens[end]!.endMs);
  const shownMs = Math.max(1, spokenMs + Math.min(room, MAX_HOLD_MS));
  const speed = (columns * 1000) / shownMs;
  return (
    COST.cue +
    (shownMs < rules.minDurationMs ? COST.tooShort : 0) +
    Math.max(0, FEW_COLUMNS - columns) * COST.fewColumns +
    Math.min(40, Math.max(0, speed - rules.columnsPerSecond) * COST.tooFast)
  );
}

function pauseAfter(tokens: readonly CueToken[], end: number): number {
  return tokens[end + 1] === undefined ? 0 : tokens[end + 1]!.startMs - tokens[end]!.endMs;
}

function breakCost(tokens: readonly CueToken[], end: number): number {
  const token = tokens[end]!;
  if (token.endsSegment || endsSentence(token.text, tokens[end + 1]?.text)) return 0;
  if (endsClause(token.text)) return COST.breakAtClause;
  if (pauseAfter(tokens, end) >= PAUSE_MS) return COST.breakAtPause;
  return COST.breakInClause + (token.text.length <= SHORT_WORD ? COST.breakAfterShortWord : 0);
}

function insideCost(tokens: readonly CueToken[], end: number): number {
  const sentence = endsSentence(tokens[end]!.text, tokens[end + 1]?.text) ? COST.sentenceEndInside : 0;
  return sentence + (pauseAfter(tokens, end) >= PAUSE_MS * 2 ? COST.pauseInside : 0);
}
