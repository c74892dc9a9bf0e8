/** A number word with an ending: `thirties`, `fifth`. */
export interface Suffixed {
  readonly value: bigint;
  readonly suffix: string;
}

type Values = Readonly<Record<string, bigint>>;
type SuffixedValues = Readonly<Record<string, Suffixed>>;

const numbered = (words: string, value: (index: number) => bigint): Values =>
  Object.fromEntries(words.split(' ').map((word, index) => [word, value(index)]));

const suffixed = (values: Values, spell: (word: string) => string, suffix: string): SuffixedValues =>
  Object.fromEntries(Object.entries(values).map(([word, value]) => [spell(word), { value, suffix }]));

export const ZEROS: ReadonlySet<string> = new Set(['o', 'oh', 'zero']);

export const ONES: Values = numbered(
  'one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen',
  (index) => BigInt(index + 1),
);

export const TENS: Values = numbered('twenty thirty forty fifty sixty seventy eighty ninety', (index) =>
  BigInt(index * 10 + 20),
);

export const MULTIPLIERS: Values = {
  hundred: 100n,
  ...numbered(
    'thousand million billion trillion quadrillion quintillion sextillion septillion octillion nonillion decillion',
    (index) => 1000n ** BigInt(index + 1),
  ),
};

export const SUFFIXED_ONES: SuffixedValues = {
  ...suffixed(ONES, (word) => (word === 'six' ? 'sixes' : `${word}s`), 's'),
  zeroth: { value: 0n, suffix: 'th' },
  first: { value: 1n, suffix: 'st' },
  second: { value: 2n, suffix: 'nd' },
  third: { value: 3n, suffix: 'rd' },
  fifth: { value: 5n, suffix: 'th' },
  twelfth: { value: 12n, suffix: 'th' },
  ...suffixed(
    Object.fromEntries(Object.entries(ONES).filter(([, value]) => value > 3n && value !== 5n && value !== 12n)),
    (word) => (word.endsWith('t') ? `${word}h` : `${word}th`),
    'th',
  ),
};

export const SUFFIXED_TENS: SuffixedValues = {
  ...suffixed(TENS, (word) => word.replace('y', 'ies'), 's'),
  ...suffixed(TENS, (word) => word.replace('y', 'ieth'), 'th'),
};

export const SUFFIXED_MULTIPLIERS: SuffixedValues = {
  ...suffixed(MULTIPLIERS, (word) => `${word}s`, 's'),
  ...suffixed(MULTIPLIERS, (word) => `${word}th`, 'th'),
};
