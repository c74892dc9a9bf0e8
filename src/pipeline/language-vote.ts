/** What a recording's language is, and how sure that is. */
export interface LanguageVerdict {
  readonly language: string;
  readonly probability: number;
  /** The second likeliest, and how likely. */
  readonly runnerUp: { readonly language: string; readonly probability: number };
}

/** Chunks that are heard before the language is decided, where there are so many. */
export const BALLOTS_WANTED = 3;

/**
 * Decides a recording's language by what its first chunks sound like: each adds its probabilities, so that a clear
 * chunk counts for more than a doubtful one. Which chunks those are does not depend on how fast they were heard, so that
 * the same recording has the same language in every run.
 */
export class LanguageVote {
  readonly #sums = new Map<string, number>();
  #wanted = BALLOTS_WANTED;
  #ballots = 0;
  readonly #verdict = Promise.withResolvers<LanguageVerdict>();

  /** Resolves once all that are wanted have voted. */
  get verdict(): Promise<LanguageVerdict> {
    return this.#verdict.promise;
  }

  /** Adds the ballot of one of the first {@link BALLOTS_WANTED} chunks. */
  cast(probabilities: ReadonlyMap<string, number>): void {
    this.#ballots++;
    for (const [language, probability] of probabilities) {
      this.#sums.set(language, (this.#sums.get(language) ?? 0) + probability);
    }
    this.#decide();
  }

  /** No chunk follows the `chunks` that were found. */
  close(chunks: number): void {
    this.#wanted = Math.min(BALLOTS_WANTED, chunks);
    this.#decide();
  }

  #decide(): void {
    if (this.#ballots > 0 && this.#ballots >= this.#wanted) this.#verdict.resolve(this.#leader());
  }

  #leader(): LanguageVerdict {
    const ranked = [...this.#sums]
      .map(([language, sum]) => ({ language, probability: sum / this.#ballots }))
      .sort((a, b) => b.probability - a.probability);
    const [first = { language: 'en', probability: 0 }, second = first] = ranked;
    return { ...first, runnerUp: second };
  }
}
