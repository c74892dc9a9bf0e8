/** What a recording's language is, and how sure that is. */
export interface LanguageVerdict {
  readonly language: string;
  readonly probability: number;
  /** The second likeliest, and how likely. */
  readonly runnerUp: { readonly language: string; readonly probability: number };
}

/** Chunks that are heard before the language is decided, where there are so many. */
const BALLOTS_WANTED = 3;

/**
 * Decides a recording's language by what its first chunks sound like: each adds its probabilities, so that a clear
 * chunk counts for more than a doubtful one. Chunks wait for the verdict while others are on their way.
 */
export class LanguageVote {
  readonly #sums = new Map<string, number>();
  #started = 0;
  #ballots = 0;
  readonly #verdict = Promise.withResolvers<LanguageVerdict>();

  /** A worker has taken a chunk, and will ask. */
  start(): void {
    this.#started++;
  }

  ask(probabilities: ReadonlyMap<string, number>): Promise<LanguageVerdict> {
    this.#ballots++;
    for (const [language, probability] of probabilities) {
      this.#sums.set(language, (this.#sums.get(language) ?? 0) + probability);
    }
    if (this.#ballots >= Math.min(BALLOTS_WANTED, this.#started)) this.#verdict.resolve(this.#leader());
    return this.#verdict.promise;
  }

  #leader(): LanguageVerdict {
    const ranked = [...this.#sums]
      .map(([language, sum]) => ({ language, probability: sum / this.#ballots }))
      .sort((a, b) => b.probability - a.probability);
    const [first = { language: 'en', probability: 0 }, second = first] = ranked;
    return { ...first, runnerUp: second };
  }
}
