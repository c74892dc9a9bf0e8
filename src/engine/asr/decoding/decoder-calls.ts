import type { Reading } from './reading.ts';
import type { RecognitionTask } from './recognition.ts';
import { type DecoderAnswer, type DecoderCall, HIDDEN } from './whisper-model.ts';
import { type AttentionRow, type Candidate, candidatesWanted } from './window-search.ts';

/** Asks one window, by its start token, which language it is in. `cachePositions` of the model as it is now. */
export function languageCall(slot: number, startToken: number, cachePositions: number): DecoderCall {
  return {
    from: slot,
    count: 1,
    ids: BigInt64Array.of(BigInt(startToken)),
    positions: BigInt64Array.of(0n),
    pastMask: new Float32Array(cachePositions).fill(HIDDEN),
    newMask: new Float32Array(1),
    pick: [0],
    begin: true,
    top: 1,
    probe: true,
    align: false,
  };
}

/** Feeds one window its prompt, and asks at `startIndex` whether it is speech and at the end what comes first. */
export function promptCall(
  slot: number,
  prompt: readonly number[],
  startIndex: number,
  cachePositions: number,
  { beams, attention }: Pick<RecognitionTask, 'beams' | 'attention'>,
): DecoderCall {
  const n = prompt.length;
  const causal = new Float32Array(n * n);
  for (let row = 0; row < n; row++) causal.fill(HIDDEN, row * n + row + 1, (row + 1) * n);
  return {
    from: slot,
    count: 1,
    ids: BigInt64Array.from(prompt, BigInt),
    positions: BigInt64Array.from(prompt, (_, position) => BigInt(position)),
    pastMask: new Float32Array(n * cachePositions).fill(HIDDEN),
    newMask: causal,
    pick: [startIndex, n - 1],
    begin: true,
    top: candidatesWanted(1, beams),
    probe: true,
    align: attention,
  };
}

/** Gives each token about to be fed a free cache position; false where there are not enough. */
export function placeTokens({ search, promptTokens }: Reading, cachePositions: number): boolean {
  const used = new Uint8Array(cachePositions).fill(1, 0, promptTokens);
  for (const hypothesis of search.live) {
    for (let past = hypothesis.parent; past !== undefined; past = past.parent) used[past.cachePosition] = 1;
  }
  let position = promptTokens;
  for (const hypothesis of search.live) {
    while (used[position] === 1) position++;
    if (position >= used.length) return false;
    hypothesis.cachePosition = position++;
  }
  return true;
}

/**
 * Advances windows by one token. A window with fewer hypotheses than the widest, or one that reads nothing yet
 * (undefined), feeds `filler`, whose answer nobody reads.
 */
export function stepCall(
  readings: readonly (Reading | undefined)[],
  filler: number,
  cachePositions: number,
  align: boolean,
): DecoderCall {
  const n = Math.max(...readings.map((reading) => reading?.search.live.length ?? 0));
  const rows = readings.length * n;
  const ids = new BigInt64Array(rows).fill(BigInt(filler));
  const positions = new BigInt64Array(rows);
  const pastMask = new Float32Array(rows * cachePositions).fill(HIDDEN);
  const newMask = new Float32Array(rows * n).fill(HIDDEN);
  readings.forEach((reading, window) => {
    for (let i = 0; i < n; i++) {
      const row = window * n + i;
      newMask[row * n + i] = 0;
      const hypothesis = reading?.search.live[i];
      if (reading === undefined || hypothesis === undefined) continue;
      ids[row] = BigInt(hypothesis.token);
      positions[row] = BigInt(reading.promptTokens + hypothesis.length - 1);
      pastMask.fill(0, row * cachePositions, row * cachePositions + reading.promptTokens);
      for (let past = hypothesis.parent; past !== undefined; past = past.parent) {
        pastMask[row * cachePositions + past.cachePosition] = 0;
      }
    }
  });
  return {
    from: 0,
    count: readings.length,
    ids,
    positions,
    pastMask,
    newMask,
    pick: Array.from({ length: n }, (_, i) => i),
    begin: false,
    top: Math.max(...readings.map((reading) => reading?.search.candidatesWanted ?? 1)),
    probe: false,
    align,
  };
}

/** `count` candidates of an answer, likeliest first, behind `from` others. */
export function readCandidates(answer: DecoderAnswer, from: number, count: number): Candidate[] {
  return Array.from({ length: count }, (_, index) => ({
    token: Number(answer.tokens[from + index]),
    logProbability: answer.logProbabilities[from + index]!,
  }));
}

/** Where an attention row stands in an answer: its window, its token of `n`; and its size. */
export interface RowPlace {
  readonly window: number;
  readonly token: number;
  readonly n: number;
  readonly heads: number;
  /** Encoder positions to keep. */
  readonly frames: number;
}

/** Copies one attention row [heads, frames] out of an answer. */
export function attentionRow(answer: DecoderAnswer, { window, token, n, heads, frames }: RowPlace): AttentionRow {
  const row = new Float32Array(heads * frames);
  for (let head = 0; head < heads; head++) {
    const from = ((window * heads + head) * n + token) * answer.attentionPositions;
    row.set(answer.attention.subarray(from, from + frames), head * frames);
  }
  return row;
}
