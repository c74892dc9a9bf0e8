import {
  MULTIPLIERS,
  ONES,
  SUFFIXED_MULTIPLIERS,
  SUFFIXED_ONES,
  SUFFIXED_TENS,
  type Suffixed,
  TENS,
  ZEROS,
} from './english-number-words.ts';

/**
 * Spelled numbers become digits: `twenty five thousand dollars` is `$25000`, `one oh one` is `101`, `two and a half` is
 * `2.5`, `twenty first` is `21st`. Reads as Whisper's English normaliser does, in its words and in its oddities, so
 * that rates can be compared with published ones. Source: openai-whisper (MIT), `normalizers/english.py`.
 */
export function normalizeNumbers(text: string): string {
  return finish(
    new NumberReader(
      splitAtDigits(writeOutHalves(text))
        .split(/\s+/)
        .filter((word) => word !== ''),
    ).read(),
  );
}

const SIGN_BEFORE: Readonly<Record<string, string>> = { minus: '-', negative: '-', plus: '+', positive: '+' };
const UNIT_AFTER: Readonly<Record<string, string>> = {
  pound: '£',
  pounds: '£',
  euro: '€',
  euros: '€',
  dollar: '$',
  dollars: '$',
  cent: '¢',
  cents: '¢',
};
const PREFIXES = '-+£€$¢';
const SPECIALS: ReadonlySet<string> = new Set(['and', 'double', 'triple', 'point']);
const ARABIC = /^\d+(?:\.\d+)?$/;

const isKey = (table: object, word: string | undefined): word is string =>
  word !== undefined && Object.hasOwn(table, word);

function isNumberWord(word: string | undefined): boolean {
  if (word === undefined) return false;
  if (ZEROS.has(word) || SPECIALS.has(word) || word === 'per' || word === 'percent') return true;
  return [ONES, SUFFIXED_ONES, TENS, SUFFIXED_TENS, MULTIPLIERS, SUFFIXED_MULTIPLIERS, SIGN_BEFORE, UNIT_AFTER].some(
    (table) => isKey(table, word),
  );
}

const isDecimalWord = (word: string | undefined): boolean =>
  word !== undefined && (isKey(ONES, word) || isKey(TENS, word) || ZEROS.has(word));
const isArabic = (word: string | undefined): boolean => word !== undefined && ARABIC.test(word);

/**
 * Reads words left to right. A number in the making is a bigint while its words add up (`two hundred` + `five`) and a
 * string once digits are strung together (`one oh one`) or a decimal point came.
 */
class NumberReader {
  readonly #words: readonly string[];
  readonly #output: string[] = [];
  #value: bigint | string | undefined;
  #prefix: string | undefined;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  read(): string {
    for (let at = 0; at < this.#words.length; at++) {
      at += this.#take(this.#words[at - 1], this.#words[at]!, this.#words[at + 1]);
    }
    this.#flush();
    return this.#output.join(' ');
  }

  /** Takes a word; returns how many of the following ones it used up. */
  #take(before: string | undefined, word: string, after: string | undefined): number {
    const unsigned = PREFIXES.includes(word[0]!) ? word.slice(1) : word;
    if (isArabic(unsigned)) this.#takeArabic(word, unsigned);
    else if (ZEROS.has(word)) this.#value = `${this.#digits()}0`;
    else if (isKey(ONES, word)) this.#value = this.#withOnes(before, ONES[word]!);
    else if (isKey(SUFFIXED_ONES, word))
      this.#emitSuffixed(SUFFIXED_ONES[word]!, (ones) => this.#withOnes(before, ones));
    else if (isKey(TENS, word)) this.#value = this.#withTens(TENS[word]!);
    else if (isKey(SUFFIXED_TENS, word)) this.#emitSuffixed(SUFFIXED_TENS[word]!, (tens) => this.#withTens(tens));
    else if (isKey(MULTIPLIERS, word)) this.#multiply(MULTIPLIERS[word]!);
    else if (isKey(SUFFIXED_MULTIPLIERS, word)) this.#multiplySuffixed(SUFFIXED_MULTIPLIERS[word]!);
    else if (isKey(SIGN_BEFORE, word)) this.#takeSign(word, after);
    else if (isKey(UNIT_AFTER, word)) this.#takeUnit(word);
    else if (word === 'percent') this.#takePercent(word, true);
    else if (word === 'per') return this.#takePercent(word, after === 'cent') ? 1 : 0;
    else if (SPECIALS.has(word)) return this.#takeSpecial(before, word, after);
    else this.#emitWord(word);
    return 0;
  }

  #flush(): void {
    if (this.#value !== undefined) this.#emit(String(this.#value));
  }

  #emit(text: string): void {
    this.#output.push((this.#prefix ?? '') + text);
    this.#value = undefined;
    this.#prefix = undefined;
  }

  #emitWord(word: string): void {
    this.#flush();
    this.#emit(word);
  }

  /** The digits so far; nothing for no number and for zero. */
  #digits(): string {
    return this.#value === undefined || this.#value === 0n ? '' : String(this.#value);
  }

  #takeArabic(word: string, unsigned: string): void {
    if (typeof this.#value === 'string' && this.#value.endsWith('.')) {
      this.#value += word;
      return;
    }
    this.#flush();
    if (unsigned !== word) this.#prefix = word[0]!;
    const [whole, fraction = ''] = unsigned.split('.');
    // A whole number counts on, `5.0` included; a fraction stays as it is written.
    this.#value = /[1-9]/.test(fraction) ? unsigned : BigInt(whole!);
  }

  #withOnes(before: string | undefined, ones: bigint): bigint | string {
    const value = this.#value;
    if (value === undefined) return ones;
    if (typeof value === 'string' || isKey(ONES, before)) {
      const digits = String(value);
      return isKey(TENS, before) && ones < 10n ? digits.slice(0, -1) + String(ones) : digits + String(ones);
    }
    const room = ones < 10n ? 10n : 100n;
    return value % room === 0n ? value + ones : String(value) + String(ones);
  }

  #withTens(tens: bigint): bigint | string {
    const value = this.#value;
    if (value === undefined) return tens;
    if (typeof value === 'string') return value + String(tens);
    return value % 100n === 0n ? value + tens : String(value) + String(tens);
  }

  #emitSuffixed({ value, suffix }: Suffixed, add: (value: bigint) => bigint | string): void {
    this.#emit(String(add(value)) + suffix);
  }

  #multiply(multiplier: bigint): void {
    const value = this.#value;
    if (value === undefined) {
      this.#value = multiplier;
    } else if (typeof value === 'string' || value === 0n) {
      const product = wholeProduct(String(value), multiplier);
      if (product === undefined) this.#flush();
      this.#value = product ?? multiplier;
    } else {
      this.#value = multiplyLastThousand(value, multiplier);
    }
  }

  #multiplySuffixed({ value: multiplier, suffix }: Suffixed): void {
    const value = this.#value;
    if (value === undefined) {
      this.#emit(multiplier + suffix);
    } else if (typeof value === 'string') {
      const product = wholeProduct(value, multiplier);
      if (product === undefined) this.#flush();
      this.#emit((product ?? multiplier) + suffix);
    } else {
      this.#emit(multiplyLastThousand(value, multiplier) + suffix);
    }
  }

  #takeSign(word: string, after: string | undefined): void {
    this.#flush();
    if (isNumberWord(after) || isArabic(after)) this.#prefix = SIGN_BEFORE[word]!;
    else this.#emit(word);
  }

  #takeUnit(word: string): void {
    if (this.#value === undefined) {
      this.#emit(word);
    } else {
      this.#prefix = UNIT_AFTER[word]!;
      this.#flush();
    }
  }

  /** True where the word became a per cent sign. */
  #takePercent(word: string, isPercent: boolean): boolean {
    if (this.#value !== undefined && isPercent) {
      this.#emit(`${this.#value}%`);
      return true;
    }
    this.#emitWord(word);
    return false;
  }

  #takeSpecial(before: string | undefined, word: string, after: string | undefined): number {
    if (!isNumberWord(after) && !isArabic(after)) {
      this.#emitWord(word);
    } else if (word === 'and') {
      // `two hundred and five` is one number; any other `and` ends one.
      if (!isKey(MULTIPLIERS, before)) this.#emitWord(word);
    } else if (word === 'point') {
      if (isDecimalWord(after) || isArabic(after)) this.#value = `${this.#digits()}.`;
    } else if (isKey(ONES, after) || ZEROS.has(after!)) {
      const digit = isKey(ONES, after) ? String(ONES[after]!) : '0';
      this.#value = this.#digits() + digit.repeat(word === 'double' ? 2 : 3);
      return 1;
    } else {
      this.#emitWord(word);
    }
    return 0;
  }
}

/** `two thousand five` x `hundred`: only what stands below a thousand is multiplied. */
function multiplyLastThousand(value: bigint, multiplier: bigint): bigint {
  return (value / 1000n) * 1000n + (value % 1000n) * multiplier;
}

/** `2.5` x a million; undefined where the digits are no number or the product is no whole one. */
function wholeProduct(digits: string, multiplier: bigint): bigint | undefined {
  const match = /^([-+]?\d*)(?:\.(\d*))?$/.exec(digits);
  const decimals = match?.[2] ?? '';
  if (match === null || (match[1] === '' && decimals === '')) return undefined;
  const product = BigInt(match[1]! + decimals || '0') * multiplier;
  const scale = 10n ** BigInt(decimals.length);
  return product % scale === 0n ? product / scale : undefined;
}

/** `<number> and a half` is `<number> point five`. */
function writeOutHalves(text: string): string {
  const parts = text.split(/\band\s+a\s+half\b/);
  const written: string[] = [];
  for (const [index, part] of parts.entries()) {
    if (part.trim() === '') continue;
    written.push(part);
    if (index === parts.length - 1) continue;
    const last = part.trim().split(/\s+/).at(-1);
    written.push(isDecimalWord(last) || isKey(MULTIPLIERS, last) ? 'point five' : 'and a half');
  }
  return written.join(' ');
}

/** `100km` is `100 km`, but `60s`, `1st` and `22nd` stay whole. */
function splitAtDigits(text: string): string {
  return text
    .replace(/([a-z])([0-9])/g, '$1 $2')
    .replace(/([0-9])([a-z])/g, '$1 $2')
    .replace(/([0-9])\s+(st|nd|rd|th|s)\b/g, '$1$2');
}

function finish(text: string): string {
  return text
    .replace(
      /([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})\b/g,
      (_, unit: string, whole: string, cents: string) => `${unit}${whole}.${cents.padStart(2, '0')}`,
    )
    .replace(/[€£$]0.([0-9]{1,2})\b/g, (_, cents: string) => `¢${Number(cents)}`)
    .replace(/\b1(s?)\b/g, 'one$1');
}
