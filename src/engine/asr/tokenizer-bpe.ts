import { textToByteCharacters } from './tokenizer-bytes.ts';

/** What encoding needs: ids of tokens, and which pair of neighbours is joined first. */
export interface MergeTable {
  /** Id of a token written in the byte-level alphabet. */
  id(token: string): number | undefined;
  /** Order in which two neighbouring tokens are joined, lower first; undefined where they never are. */
  rank(left: string, right: string): number | undefined;
}

/**
 * GPT-2's pre-tokenisation, with the white space of Unicode instead of ECMAScript's `\s`, which counts U+FEFF and leaves
 * out U+0085. Source: openai/gpt-2 `encoder.py`, the same in openai-whisper and tokenizers' `ByteLevel`.
 */
const PIECES =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Ranks from the merge list of a tokenizer.json. */
export function mergeTableFromMerges(
  vocabulary: Readonly<Record<string, number>>,
  merges: readonly (string | readonly [string, string])[],
): MergeTable {
  const ranks = new Map<string, number>();
  merges.forEach((merge, rank) => {
    // Newer versions of tokenizers write pairs, older ones `left right`; a space is never inside a token.
    ranks.set(typeof merge === 'string' ? merge : `${merge[0]} ${merge[1]}`, rank);
  });
  return {
    id: (token) => (Object.hasOwn(vocabulary, token) ? vocabulary[token] : undefined),
    rank: (left, right) => ranks.get(`${left} ${right}`),
  };
}

/**
 * Ranks from token ids alone: GPT-2 and Whisper number their tokens in the order of the merges, and openai-whisper itself
 * encodes that way (tiktoken).
 */
export function mergeTableFromTokenOrder(tokens: readonly string[], textTokens: number): MergeTable {
  const ids = new Map<string, number>();
  for (let id = 0; id < textTokens; id++) ids.set(tokens[id]!, id);
  return { id: (token) => ids.get(token), rank: (left, right) => ids.get(left + right) };
}

/** Token ids of `text` by byte-level byte-pair encoding. Special tokens written in the text are ordinary text here. */
export function encodeText(text: string, table: MergeTable): number[] {
  const tokens: number[] = [];
  for (const [piece] of text.matchAll(PIECES)) {
    for (const part of mergePairs([...textToByteCharacters(piece)], table)) {
      const id = table.id(part);
      if (id !== undefined) tokens.push(id);
    }
  }
  return tokens;
}

/** Joins, again and again, every occurrence of the neighbouring pair that ranks first. */
function mergePairs(characters: string[], table: MergeTable): string[] {
  let parts = characters;
  while (parts.length > 1) {
    let best = Number.POSITIVE_INFINITY;
    let bestIndex = -1;
    for (let index = 0; index + 1 < parts.length; index++) {
      const rank = table.rank(parts[index]!, parts[index + 1]!);
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
