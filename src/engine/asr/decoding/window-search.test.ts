import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Candidate, candidatesWanted, chain, type SearchOptions, WindowSearch } from './window-search.ts';

/** A language of `size` tokens in which the next token depends on the last one; token 0 ends the text. */
interface Markov {
  readonly size: number;
  /** [size, size]: log-probability of a token after another; row 0 is that of the beginning. */
  readonly table: readonly (readonly number[])[];
}

const END = 0;

function markov(size: number, weights: readonly number[]): Markov {
  const table = Array.from({ length: size }, (_, row) => {
    const line = weights.slice(row * size, (row + 1) * size);
    const sum = line.reduce((total, weight) => total + weight, 0);
    return line.map((weight) => Math.log(weight / sum));
  });
  return { size, table };
}

function candidatesAfter({ table }: Markov, token: number): Candidate[] {
  return table[token]!.map((logProbability, next) => ({ token: next, logProbability })).sort(
    (a, b) => b.logProbability - a.logProbability,
  );
}

/** Runs a search to its end, as the recognizer does: only the wanted number of candidates is handed over. */
function search(model: Markov, given: Partial<SearchOptions> = {}): WindowSearch {
  const options = { beams: 1, endOfText: END, maxTokens: 20, temperature: 0, random: () => 0, ...given };
  const wanted = candidatesWanted(options.temperature, options.beams);
  const found = new WindowSearch(options, candidatesAfter(model, END));
  expect(found.candidatesWanted).toBe(wanted);
  while (!found.done) {
    expect(found.live.length).toBeLessThanOrEqual(options.beams);
    found.advance(found.live.map(({ token }) => candidatesAfter(model, token).slice(0, wanted)));
  }
  return found;
}

const anyModel = fc
  .integer({ min: 2, max: 4 })
  .chain((size) =>
    fc.tuple(
      fc.constant(size),
      fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: size ** 2, maxLength: size ** 2 }),
    ),
  )
  .map(([size, weights]) => markov(size, weights));

const score = ({ table }: Markov, tokens: readonly number[]) =>
  [...tokens, END].reduce((sum, token, index) => sum + table[tokens[index - 1] ?? END]![token]!, 0);

/** Every text that ends within `maxTokens` tokens, the end of text counted. */
function* texts({ size }: Markov, maxTokens: number, before: readonly number[] = []): Generator<readonly number[]> {
  yield before;
  if (before.length === maxTokens - 1) return;
  for (let token = 1; token < size; token++) yield* texts({ size, table: [] }, maxTokens, [...before, token]);
}

describe('greedy search', () => {
  it('follows the likeliest token to the end', () => {
    fc.assert(
      fc.property(anyModel, (model) => {
        const expected: number[] = [];
        let sum = 0;
        let token = END;
        let ended = false;
        while (expected.length < 20 && !ended) {
          const [best] = candidatesAfter(model, token);
          sum += best!.logProbability;
          token = best!.token;
          if (token === END) ended = true;
          else expected.push(token);
        }
        const result = search(model).best();
        expect(result.tokens).toEqual(expected);
        expect(result.sumLogprob).toBeCloseTo(sum, 9);
        expect(result.ended).toBe(ended);
      }),
    );
  });

  it('is empty where the text ends at once', () => {
    const model = markov(2, [0.9, 0.1, 0.5, 0.5]);
    const result = search(model).best();
    expect(result).toMatchObject({ tokens: [], logProbabilities: [], ended: true });
    expect(result.sumLogprob).toBeCloseTo(Math.log(0.9), 9);
  });

  it('stops at the token limit, and says that the text did not end', () => {
    const model = markov(2, [0.1, 0.9, 0.1, 0.9]);
    const result = search(model, { maxTokens: 7 }).best();
    expect(result.tokens).toEqual(new Array(7).fill(1));
    expect(result.ended).toBe(false);
    expect(result.sumLogprob).toBeCloseTo(7 * Math.log(0.9), 9);
  });
});

describe('beam search', () => {
  it('finds the likeliest text where it has a beam for every prefix', () => {
    fc.assert(
      fc.property(anyModel, fc.integer({ min: 2, max: 4 }), (model, maxTokens) => {
        const all = [...texts(model, maxTokens)];
        // With more beams than prefixes and texts, nothing is dropped and nothing ends the search early.
        const beams = model.size ** maxTokens;
        const best = Math.max(...all.map((tokens) => score(model, tokens) / Math.max(1, tokens.length)));
        const result = search(model, { beams, maxTokens }).best();
        expect(result.ended).toBe(true);
        expect(result.sumLogprob / Math.max(1, result.tokens.length)).toBeCloseTo(best, 9);
        expect(score(model, result.tokens)).toBeCloseTo(result.sumLogprob, 9);
      }),
    );
  });

  it('never loses to greedy search by its own measure when both end within a step', () => {
    // A greedy trap: the likeliest first token leads to an unlikely rest.
    const model = markov(3, [0.01, 0.55, 0.44, 0.34, 0.33, 0.33, 0.98, 0.01, 0.01]);
    expect(search(model).best().tokens[0]).toBe(1);
    expect(search(model, { beams: 2 }).best().tokens).toEqual([2]);
  });

  it('ends as soon as as many texts have ended as there are beams', () => {
    const model = markov(3, [0.2, 0.5, 0.3, 0.8, 0.1, 0.1, 0.8, 0.1, 0.1]);
    const options = { beams: 3, endOfText: END, maxTokens: 50, temperature: 0, random: () => 0 };
    const found = new WindowSearch(options, candidatesAfter(model, END));
    expect(found.live).toHaveLength(2);
    found.advance(found.live.map(({ token }) => candidatesAfter(model, token)));
    expect(found.done).toBe(true);
    // log .5 + log .8 over one token.
    expect(found.best().tokens).toEqual([1]);
  });

  it('takes no text for ended whose end was less likely than as many continuations as there are beams', () => {
    // After 1 or 2, the end comes third: two beams go on with what is likelier, and end where the end is likely.
    const model = markov(
      4,
      [0.001, 0.5, 0.499, 0.001, 0.2, 0.001, 0.001, 0.8, 0.2, 0.001, 0.001, 0.8, 0.97, 0.01, 0.01, 0.01],
    );
    const options = { beams: 2, endOfText: END, maxTokens: 50, temperature: 0, random: () => 0 };
    const found = new WindowSearch(options, candidatesAfter(model, END));
    found.advance(found.live.map(({ token }) => candidatesAfter(model, token).slice(0, 3)));
    expect(found.live.map(({ token }) => token)).toEqual([3, 3]);
    expect(found.ended).toEqual([]);
    found.advance(found.live.map(({ token }) => candidatesAfter(model, token).slice(0, 3)));
    expect(found.done).toBe(true);
    expect(found.best().tokens).toEqual([1, 3]);
  });

  it('gives every token the probability it had, and sums them up', () => {
    fc.assert(
      fc.property(anyModel, fc.integer({ min: 1, max: 5 }), (model, beams) => {
        const { tokens, logProbabilities, sumLogprob, ended } = search(model, { beams }).best();
        const expected = tokens.map((token, index) => model.table[tokens[index - 1] ?? END]![token]!);
        expect(logProbabilities).toEqual(expected);
        const last = ended ? model.table[tokens.at(-1) ?? END]![END]! : 0;
        expect(sumLogprob).toBeCloseTo(
          expected.reduce((sum, value) => sum + value, last),
          9,
        );
      }),
    );
  });

  it('shares the past of hypotheses, oldest first', () => {
    const model = markov(3, [0.01, 0.5, 0.49, 0.1, 0.5, 0.4, 0.1, 0.4, 0.5]);
    const options = { beams: 2, endOfText: END, maxTokens: 50, temperature: 0, random: () => 0 };
    const found = new WindowSearch(options, candidatesAfter(model, END));
    for (let step = 0; step < 3; step++) {
      found.advance(found.live.map(({ token }) => candidatesAfter(model, token).slice(0, 3)));
    }
    expect(found.leadingTokens()).toEqual([1, 1, 1, 1]);
    for (const hypothesis of found.live) {
      const line = chain(hypothesis);
      expect(line.map(({ length }) => length)).toEqual([1, 2, 3, 4]);
      expect(line.at(-1)).toBe(hypothesis);
    }
    found.stop();
    expect(found.best()).toMatchObject({ tokens: [1, 1, 1, 1], ended: false });
  });
});

describe('sampling', () => {
  const drawing = (seed: number) => {
    let state = seed;
    return () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
  };

  it('draws the same text for the same random numbers', () => {
    fc.assert(
      fc.property(anyModel, fc.nat(), fc.double({ min: 0.1, max: 1, noNaN: true }), (model, seed, temperature) => {
        const draw = () => search(model, { temperature, random: drawing(seed), beams: 3 }).best();
        expect(draw()).toEqual(draw());
      }),
    );
  });

  it('draws each token as often as it is likely at temperature 1, and sharper below', () => {
    const model = markov(3, [0.2, 0.5, 0.3, 1, 1e-9, 1e-9, 1, 1e-9, 1e-9]);
    const share = (temperature: number) => {
      const random = drawing(7);
      const first = Array.from({ length: 4000 }, () => search(model, { temperature, random }).best().tokens[0] ?? END);
      return [0, 1, 2].map((token) => first.filter((drawn) => drawn === token).length / first.length);
    };
    const expected = { 1: [0.2, 0.5, 0.3], 0.5: [0.04 / 0.38, 0.25 / 0.38, 0.09 / 0.38] };
    for (const [temperature, shares] of Object.entries(expected)) {
      // Three standard deviations of 4000 draws.
      share(Number(temperature)).forEach((value, token) => {
        expect(Math.abs(value - shares[token]!)).toBeLessThan(0.024);
      });
    }
  });

  it('reports the probabilities of the model, not those it sampled with', () => {
    const model = markov(2, [0.25, 0.75, 1, 1e-9]);
    const result = search(model, { temperature: 0.2, random: () => 0.5 }).best();
    expect(result.tokens).toEqual([1]);
    expect(result.logProbabilities[0]).toBeCloseTo(Math.log(0.75), 9);
  });
});

it('asks for as many candidates as a search can use', () => {
  expect(candidatesWanted(0, 1)).toBe(1);
  expect(candidatesWanted(0, 5)).toBe(6);
  expect(candidatesWanted(0.2, 1)).toBe(candidatesWanted(1, 5));
  expect(candidatesWanted(1, 1)).toBeGreaterThan(32);
});
