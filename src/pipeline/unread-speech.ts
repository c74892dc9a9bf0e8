import { editDistance } from '../core/edit-distance.ts';
import { SAMPLE_RATE, type Seconds } from '../core/units.ts';
import { needsFallback } from '../engine/asr/guards.ts';
import { type ChunkPiece, samplesOf } from '../engine/vad/chunking.ts';
import type { RecognizedChunk } from '../transcript/recognized.ts';
import type { Word } from '../transcript/types.ts';
import { joinWords } from '../transcript/word-text.ts';

/**
 * Speech of this length, the padding around it included, without a word is more than a breath, a laugh or a word whose end
 * was heard too early.
 */
const UNREAD_SECONDS: Seconds = 2;
/** So many stretches of a chunk are read again, the longest: each costs as much as a chunk. */
const MOST_STRETCHES = 2;
/** Recovered words that differ from the words around them in less than this share of their letters were said once. */
const NEW_ENOUGH = 0.5;

/**
 * The stretches of a chunk where somebody speaks and no word stands: Whisper now and then leaves a sentence out, or ends
 * a text before the speech ends. Each is a list of pieces in order, like those of a chunk.
 */
export function unreadSpeech(pieces: readonly ChunkPiece[], words: readonly Word[]): ChunkPiece[][] {
  if (words.length === 0) return [];
  const starts = [...words.map(({ start }) => start), Number.POSITIVE_INFINITY];
  const ends = [0, ...words.map(({ end }) => end)];
  return starts
    .map((until, index) => between(pieces, ends[index]! * SAMPLE_RATE, until * SAMPLE_RATE))
    .filter((stretch) => samplesOf(stretch) >= UNREAD_SECONDS * SAMPLE_RATE)
    .sort((a, b) => samplesOf(b) - samplesOf(a))
    .slice(0, MOST_STRETCHES)
    .sort((a, b) => a[0]!.startSample - b[0]!.startSample);
}

/**
 * A chunk with what a second attempt read in one of its stretches; the chunk as it was where that is a text that Whisper's
 * own fallback would not take either, or says again what the words beside it say.
 */
export function withRecovered(chunk: RecognizedChunk, recovered: RecognizedChunk | null): RecognizedChunk {
  const first = recovered?.words[0];
  if (recovered === null || first === undefined || needsFallback(recovered, recovered.tokens)) return chunk;
  // By their middles: a word may end where it begins, and the recovered ones begin where that is.
  const at = chunk.words.findIndex(({ start, end }) => (start + end) / 2 > first.start);
  const before = at < 0 ? chunk.words : chunk.words.slice(0, at);
  const after = at < 0 ? [] : chunk.words.slice(at);
  const count = recovered.words.length;
  if (isEcho(recovered.words, before.slice(-count)) || isEcho(recovered.words, after.slice(0, count))) return chunk;
  const words = [...before, ...recovered.words, ...after];
  const [known, added] = [chunk.tokens.length, recovered.tokens.length];
  return {
    ...chunk,
    text: joinWords(words),
    words,
    // Behind the others, since nobody knows which of those spell which word.
    tokens: [...chunk.tokens, ...recovered.tokens],
    avgLogprob: (chunk.avgLogprob * known + recovered.avgLogprob * added) / Math.max(1, known + added),
  };
}

function between(pieces: readonly ChunkPiece[], from: number, until: number): ChunkPiece[] {
  return pieces
    .map(({ startSample, endSample }) => ({
      startSample: Math.round(Math.max(startSample, from)),
      endSample: Math.round(Math.min(endSample, until)),
    }))
    .filter(({ startSample, endSample }) => endSample > startSample);
}

function isEcho(words: readonly Word[], neighbours: readonly Word[]): boolean {
  const letters = (list: readonly Word[]) =>
    joinWords(list)
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]+/gu, '');
  const own = letters(words);
  if (own === '') return true;
  return editDistance(own, letters(neighbours)) < NEW_ENOUGH * own.length;
}
