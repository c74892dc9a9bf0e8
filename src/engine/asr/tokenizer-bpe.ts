import { textToByteCharacters } from './tokenizer-bytes.ts';

/**
 * Ids by token, in the byte-level alphabet. They are the ranks of the merges too: GPT-2 and Whisper number their tokens in
 * the order in which pairs are joined, and openai-whisper encodes by them (tiktoken). The merge lists of the tokenizer.json
 * files made for Whisper have lost their first entry, the space before `t`, which splits " the" in two.
 */
export type TokenRanks = ReadonlyMap<string, number>;

/** Ranks of the first `count` tokens, which are those of text. */
export function rankTokens(tokens: readonly string[], count: number): TokenRanks {
  const ranks = new Map<string, number>();
  for (let id = 0; id < count; id++) ranks.set(tokens[id]!, id);
  return ranks;
}

/**
 * GPT-2's pre-tokenisation, with the white space of Unicode instead of ECMAScript's `\s`, which counts U+FEFF and leaves
 * out U+0085. Source: openai/gpt-2 `encoder.py`, the same in openai-whisper and tokenizers' `ByteLevel`.
 */
const PIECES =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Token ids of `text` by byte-level byte-pair encoding. Special tokens written in the text are ordinary text here. */
export function encodeText(text: string, ranks: TokenRanks): number[] {
  const tokens: number[] = [];
  for (const [piece] of text.matchAll(PIECES)) {
    for (const part of mergePairs([...textToByteCharacters(piece)], ranks)) {
      const id = ranks.get(part);
      if (id !== undefined) tokens.push(id);
    }
  }
  return tokens;
}

/** Joins, again and again, every occurrence of the neighbouring pair that ranks first. */
function mergePairs(characters: string[], ranks: TokenRanks): string[] {
  let parts = characters;
  while (parts.length > 1) {
    let best = Number.POSITIVE_INFINITY;
    let bestIndex = -1;
    for (let index = 0; index + 1 < parts.length; index++) {
      const rank = ranks.get(parts[index]! + parts[index + 1]!);
      if (rank !== undefined && rank < best) {
        best = rank;
        bestIndex = index;
      }
    }
    if (bestIndex < 0) break;
    parts = joinPair(parts, parts[bestIndex]!, parts[bestIndex + 1]!, bestIndex);
  }
  return parts;
}

function joinPair(parts: readonly string[], left: string, right: string, from: number): string[] {
  const joined = parts.slice(0, from);
  for (let index = from; index < parts.length; index++) {
    if (parts[index] === left && parts[index + 1] === right) {
      joined.push(left + right);
      index++;
    } else {
      joined.push(parts[index]!);
    }
  }
  return joined;
}
