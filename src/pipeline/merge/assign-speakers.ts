import type { Seconds } from '../../core/units.ts';
import type { Turn, Word } from '../../transcript/types.ts';

/** How far from a word its speaker's turn may be, where no turn touches the word. */
export const MAX_TURN_DISTANCE: Seconds = 1;

/**
 * Gives each word the speaker of the turn that contains its midpoint; else of the turn it overlaps longest; else of the
 * nearest turn at most `maxDistance` away; else none. Turns are meant to be exclusive; where they overlap, the one that
 * shares more of the word wins, and of equals the earlier one.
 */
export function assignSpeakers<W extends Word>(
  words: readonly W[],
  turns: readonly Turn[],
  maxDistance: Seconds = MAX_TURN_DISTANCE,
): W[] {
  const index = new TurnIndex(turns);
  return words.map((word) => {
    const turn = bestTurn(word, index.near(word.start - maxDistance, word.end + maxDistance), maxDistance);
    const { speaker: _, ...rest } = word;
    return (turn === undefined ? rest : { ...rest, speaker: turn.speaker }) as W;
  });
}

function bestTurn(word: Word, candidates: readonly Turn[], maxDistance: Seconds): Turn | undefined {
  const middle = (word.start + word.end) / 2;
  let best: Turn | undefined;
  let bestRank: readonly [number, number] = [0, -maxDistance];
  for (const turn of candidates) {
    const shared = Math.min(word.end, turn.end) - Math.max(word.start, turn.start);
    const contains = turn.start <= middle && middle < turn.end;
    // Below zero, `shared` is minus the distance.
    const rank = [contains ? 2 : shared > 0 ? 1 : 0, shared] as const;
    if (
      rank[0] > bestRank[0] ||
      (rank[0] === bestRank[0] && (best === undefined ? rank[1] >= bestRank[1] : rank[1] > bestRank[1]))
    ) {
      best = turn;
      bestRank = rank;
    }
  }
  return best;
}

/** Speaker with the longest total overlap with a span; else of the nearest turn within `maxDistance`. */
export function dominantSpeaker(
  span: { readonly start: Seconds; readonly end: Seconds },
  index: TurnIndex,
  maxDistance: Seconds = MAX_TURN_DISTANCE,
): string | undefined {
  const candidates = index.near(span.start - maxDistance, span.end + maxDistance);
  const shared = new Map<string, number>();
  for (const turn of candidates) {
    const overlap = Math.min(span.end, turn.end) - Math.max(span.start, turn.start);
    if (overlap > 0) shared.set(turn.speaker, (shared.get(turn.speaker) ?? 0) + overlap);
  }
  const longest = [...shared].sort((a, b) => b[1] - a[1])[0];
  if (longest !== undefined) return longest[0];
  return bestTurn({ ...span, text: '', probability: 0 }, candidates, maxDistance)?.speaker;
}

/** Turns in order of time, found by time in logarithmic time. */
export class TurnIndex {
  readonly #turns: readonly Turn[];
  /** Latest end of a turn up to each position: never falls, so it can be searched. */
  readonly #latestEnd: Float64Array;

  constructor(turns: readonly Turn[]) {
    this.#turns = [...turns].sort((a, b) => a.start - b.start);
    this.#latestEnd = new Float64Array(turns.length);
    let latest = Number.NEGATIVE_INFINITY;
    for (const [position, turn] of this.#turns.entries()) {
      latest = Math.max(latest, turn.end);
      this.#latestEnd[position] = latest;
    }
  }

  /** Turns that touch the span from `start` to `end`. */
  near(start: Seconds, end: Seconds): Turn[] {
    let low = 0;
    let high = this.#turns.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#latestEnd[middle]! < start) low = middle + 1;
      else high = middle;
    }
    const found: Turn[] = [];
    for (let position = low; position < this.#turns.length; position++) {
      const turn = this.#turns[position]!;
      if (turn.start > end) break;
      if (turn.end >= start) found.push(turn);
    }
    return found;
  }
}
