import type { TranscriptPart } from '../../../pipeline/types.ts';
import { joinSegmentTexts } from '../../../transcript/word-text.ts';
import { logprobsOf } from './logprobs.ts';
import type { Logprob } from './schemas.ts';

/** A piece of text that follows what was told before. */
export interface TextDelta {
  readonly delta: string;
  readonly logprobs: readonly Logprob[];
}

/**
 * The text of a recording as its parts come. A delta begins with a space where one belongs between it and what was told,
 * so that the deltas joined are the text. What was told is never taken back.
 */
export class TextDeltas {
  #text = '';
  #nextPart = 0;
  readonly #logprobs: Logprob[] = [];

  /** Everything told so far. */
  get text(): string {
    return this.#text;
  }

  /** Of everything told so far. */
  get logprobs(): readonly Logprob[] {
    return this.#logprobs;
  }

  /** What a part adds; undefined where it says nothing, or was told already. */
  add({ index, text, words }: TranscriptPart): TextDelta | undefined {
    if (index < this.#nextPart) return undefined;
    this.#nextPart = index + 1;
    // The last character decides how the next part joins.
    const last = [...this.#text.slice(-2)].at(-1) ?? '';
    const delta = joinSegmentTexts([{ text: last }, { text, words }]).slice(last.length);
    if (delta === '') return undefined;
    const logprobs = logprobsOf(words, !delta.startsWith(' '));
    this.#text += delta;
    this.#logprobs.push(...logprobs);
    return { delta, logprobs };
  }

  /** What the whole text has beyond the parts; undefined where nothing is missing, or the text goes another way. */
  complete(whole: string): TextDelta | undefined {
    if (!whole.startsWith(this.#text) || whole.length === this.#text.length) return undefined;
    const delta = whole.slice(this.#text.length);
    this.#text = whole;
    return { delta, logprobs: [] };
  }
}
