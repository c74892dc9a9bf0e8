/** A token that can come next, with its log-probability. */
export interface Candidate {
  readonly token: number;
  readonly logProbability: number;
}

/** One attention row: what a decoder position looked at, [heads, frames]. */
export type AttentionRow = Float32Array;

/** A finished text of a window. */
export interface SearchResult {
  /** Without the end-of-text token. */
  readonly tokens: readonly number[];
  /** Of each token. */
  readonly logProbabilities: readonly number[];
  /** Of all tokens and the end of text, as far as it was reached. */
  readonly sumLogprob: number;
  /** Attention rows of the text tokens, each of the position that the token was fed at. */
  readonly attention: readonly AttentionRow[];
  /** False where the token limit ended the text. */
  readonly ended: boolean;
}

/** A hypothesis that still grows. Linked to its past, so that hypotheses share what they have in common. */
export interface Hypothesis {
  readonly parent: Hypothesis | undefined;
  readonly token: number;
  readonly logProbability: number;
  readonly sumLogprob: number;
  /** Tokens up to and including this one. */
  readonly length: number;
  /** Cache position of `token` once it was fed to the decoder; -1 before. */
  cachePosition: number;
  attention: AttentionRow | undefined;
}

export interface SearchOptions {
  /** Hypotheses side by side. */
  readonly beams: number;
  readonly endOfText: number;
  readonly maxTokens: number;
  /** 0 searches for the likeliest text; above, every beam is a sample of its own. */
  readonly temperature: number;
  /** Uniform in [0, 1); used for sampling only. */
  readonly random: () => number;
}

/**
 * The search for the text of one window: beam search (greedy for one beam) or independent samples. Pure bookkeeping:
 * the caller feeds {@link live} to the decoder and hands the candidates to {@link advance}.
 *
 * Beam search as CTranslate2 4.8.5 does it (decoding.cc, `BeamSearch::search`, patience 1, length penalty 1): a text ends
 * only where its end is among as many best continuations as there are beams; the search ends when as many texts have
 * ended; the text with the best log-probability over its length wins. OpenAI's reference counts every end it passes over
 * (whisper/decoding.py, `BeamSearchDecoder`) and so stops earlier, at worse texts.
 */
export class WindowSearch {
  readonly #options: SearchOptions;
  #live: Hypothesis[];
  readonly #ended: Hypothesis[] = [];

  /** `first` are the candidates for the first token, likeliest first. */
  constructor(options: SearchOptions, first: readonly Candidate[]) {
    this.#options = options;
    this.#live = [];
    if (options.temperature > 0) {
      for (let beam = 0; beam < options.beams; beam++) this.#accept(undefined, this.#sample(first));
    } else {
      this.#grow(first.map((candidate) => ({ hypothesis: undefined, candidate })));
    }
  }

  /** Candidates that {@link advance} wants for every live hypothesis. */
  get candidatesWanted(): number {
    const { temperature, beams } = this.#options;
    return candidatesWanted(temperature, beams);
  }

  /** Hypotheses whose last token has to be fed next; never more than `beams`. */
  get live(): readonly Hypothesis[] {
    return this.#live;
  }

  /** Hypotheses that have reached the end of their text. */
  get ended(): readonly Hypothesis[] {
    return this.#ended;
  }

  get done(): boolean {
    return this.#live.length === 0;
  }

  /** Takes what may follow each live hypothesis, in the order of {@link live}. */
  advance(candidates: readonly (readonly Candidate[])[]): void {
    const { beams, temperature, maxTokens } = this.#options;
    const before = this.#live;
    this.#live = [];
    if (temperature > 0) {
      before.forEach((hypothesis, index) => {
        this.#accept(hypothesis, this.#sample(candidates[index]!));
      });
    } else {
      const pool = before.flatMap((hypothesis, index) =>
        candidates[index]!.map((candidate) => ({
          hypothesis,
          candidate,
          score: hypothesis.sumLogprob + candidate.logProbability,
        })),
      );
      pool.sort((a, b) => b.score - a.score);
      this.#grow(pool);
      if (this.#ended.length >= beams) this.#live = [];
    }
    if (this.#live.some((hypothesis) => hypothesis.length >= maxTokens)) this.stop();
  }

  /** Takes the likeliest continuations, best first, until there are as many hypotheses as beams. */
  #grow(pool: readonly { readonly hypothesis: Hypothesis | undefined; readonly candidate: Candidate }[]): void {
    const { beams, endOfText } = this.#options;
    for (const [rank, { hypothesis, candidate }] of pool.entries()) {
      if (this.#live.length >= beams) break;
      // An end that is not among the best would only fill the places of better texts.
      if (rank < beams || candidate.token !== endOfText) this.#accept(hypothesis, candidate);
    }
  }

  /** Ends the search with what there is. */
  stop(): void {
    if (this.#ended.length === 0) this.#ended.push(...this.#live);
    this.#live = [];
  }

  /** Tokens of the leading live hypothesis. */
  leadingTokens(): number[] {
    const [first] = this.#live;
    return first === undefined ? [] : chain(first).map(({ token }) => token);
  }

  /** The best text; call when {@link done}. */
  best(): SearchResult {
    let best: Hypothesis | undefined;
    for (const hypothesis of this.#ended) {
      if (best === undefined || this.#rank(hypothesis) > this.#rank(best)) best = hypothesis;
    }
    if (best === undefined) return { tokens: [], logProbabilities: [], sumLogprob: 0, attention: [], ended: true };
    const ended = best.token === this.#options.endOfText;
    const text = chain(best).slice(0, ended ? -1 : undefined);
    return {
      tokens: text.map(({ token }) => token),
      logProbabilities: text.map(({ logProbability }) => logProbability),
      sumLogprob: best.sumLogprob,
      attention: text.flatMap(({ attention }) => attention ?? []),
      ended,
    };
  }

  /** Log-probability of a text over its tokens, the end not counted. */
  #rank({ sumLogprob, length, token }: Hypothesis): number {
    return sumLogprob / Math.max(1, token === this.#options.endOfText ? length - 1 : length);
  }

  #accept(parent: Hypothesis | undefined, candidate: Candidate): void {
    const hypothesis: Hypothesis = {
      parent,
      token: candidate.token,
      logProbability: candidate.logProbability,
      sumLogprob: (parent?.sumLogprob ?? 0) + candidate.logProbability,
      length: (parent?.length ?? 0) + 1,
      cachePosition: -1,
      attention: undefined,
    };
    if (candidate.token === this.#options.endOfText) this.#ended.push(hypothesis);
    else this.#live.push(hypothesis);
  }

  /** Draws from the candidates, whose probabilities are sharpened or flattened by the temperature. */
  #sample(candidates: readonly Candidate[]): Candidate {
    const { temperature, random } = this.#options;
    const best = candidates[0]!.logProbability;
    const weights = candidates.map(({ logProbability }) => Math.exp((logProbability - best) / temperature));
    let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
    for (let index = 0; index < candidates.length; index++) {
      left -= weights[index]!;
      if (left < 0) return candidates[index]!;
    }
    return candidates[0]!;
  }
}

/** Enough of the distribution to sample from: beyond these tokens lies next to nothing. */
const SAMPLING_CANDIDATES = 64;

/** How many candidates a search at this temperature wants after each token. */
export function candidatesWanted(temperature: number, beams: number): number {
  if (temperature > 0) return SAMPLING_CANDIDATES;
  return beams === 1 ? 1 : beams + 1;
}

/** A hypothesis and its ancestors, oldest first. */
export function chain(hypothesis: Hypothesis): Hypothesis[] {
  const result: Hypothesis[] = [];
  for (let at: Hypothesis | undefined = hypothesis; at !== undefined; at = at.parent) result.push(at);
  return result.reverse();
}
