import type { CueRules, CueToken } from './cue.ts';
import { endsClause, endsSentence } from './sentences.ts';

/** Articles and prepositions are short in many languages, and belong to what follows them. */
export const SHORT_WORD = 3;

/**
 * Breaks a cue's tokens into lines. Two lines are broken at punctuation where that leaves them balanced, with the
 * lower line the longer one; more are filled first-fit.
 */
export function breakLines(tokens: readonly CueToken[], rules: CueRules, prefixWidth: number): CueToken[][] {
  const widthOf = (from: number, to: number): number => lineWidth(tokens, from, to) + (from === 0 ? prefixWidth : 0);
  if (tokens.length < 2 || rules.maxLines < 2 || widthOf(0, tokens.length) <= rules.maxLineWidth) return [[...tokens]];
  let bestCost = Number.POSITIVE_INFINITY;
  let bestBreak = 0;
  for (let at = 1; at < tokens.length; at++) {
    const upper = widthOf(0, at);
    const lower = widthOf(at, tokens.length);
    if (upper > rules.maxLineWidth || lower > rules.maxLineWidth) continue;
    const last = tokens[at - 1]!.text;
    const bonus = endsSentence(last, tokens[at]!.text) ? 16 : endsClause(last) ? 10 : 0;
    const cost = Math.abs(upper - lower) + (upper > lower ? 2 : 0) + (last.length <= SHORT_WORD ? 4 : 0) - bonus;
    if (cost < bestCost) {
      bestCost = cost;
      bestBreak = at;
    }
  }
  if (bestBreak > 0) return [tokens.slice(0, bestBreak), tokens.slice(bestBreak)];
  return fillLines(tokens, rules, prefixWidth);
}

function fillLines(tokens: readonly CueToken[], rules: CueRules, prefixWidth: number): CueToken[][] {
  const lines: CueToken[][] = [[]];
  let width = prefixWidth;
  for (const token of tokens) {
    const line = lines.at(-1)!;
    const added = token.width + (line.length > 0 && token.spaceBefore ? 1 : 0);
    if (width > 0 && width + added > rules.maxLineWidth && line.length > 0) {
      lines.push([token]);
      width = token.width;
    } else {
      line.push(token);
      width += added;
    }
  }
  return lines;
}

function lineWidth(tokens: readonly CueToken[], from: number, to: number): number {
  let width = 0;
  for (let index = from; index < to; index++) {
    width += tokens[index]!.width + (index > from && tokens[index]!.spaceBefore ? 1 : 0);
  }
  return width;
}
