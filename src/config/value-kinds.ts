import { absoluteFolder } from './folders.ts';

/** How the text of a variable or a flag becomes a value. */
export interface ValueKind<T> {
  /** Completes the sentence "NAME must be …". */
  readonly expected: string;
  /** The value, or undefined where the text is not one. */
  read(text: string): T | undefined;
}

export function wholeNumber(minimum: number, maximum: number): ValueKind<number> {
  return {
    expected: `a whole number from ${minimum} to ${maximum}`,
    read(text) {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= minimum && value <= maximum ? value : undefined;
    },
  };
}

/** A duration in seconds; fractions are welcome. */
export function seconds(minimum: number): ValueKind<number> {
  return {
    expected: `a number of seconds, ${minimum} or more`,
    read(text) {
      const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
      return Number.isFinite(value) && value >= minimum ? value : undefined;
    },
  };
}

const SECONDS_BY_UNIT: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 24 * 3600 };

/** A long time, written as `90s`, `15m`, `24h`, `30d` or a plain number of seconds; the value is seconds. */
export function duration(minimumSeconds: number): ValueKind<number> {
  return {
    expected: `a time such as 90s, 15m, 24h or 30d, ${minimumSeconds} seconds or more`,
    read(given) {
      const match = /^(\d+(?:\.\d+)?)\s*([a-z]?)$/i.exec(given.trim());
      const value = Number(match?.[1]) * (SECONDS_BY_UNIT[(match?.[2] ?? '?').toLowerCase()] ?? Number.NaN);
      return Number.isFinite(value) && value >= minimumSeconds ? value : undefined;
    },
  };
}

export function oneOf<const T extends string>(...choices: readonly T[]): ValueKind<T> {
  return {
    expected: `one of ${choices.join(', ')}`,
    read: (text) => choices.find((choice) => choice === text.toLowerCase()),
  };
}

export const text: ValueKind<string> = {
  expected: 'some text',
  read: (given) => (given.trim() === '' ? undefined : given.trim()),
};

/** Texts separated by commas; `none` is the empty list. */
export const textList: ValueKind<readonly string[]> = {
  expected: 'some texts, separated by commas, or none',
  read(given) {
    if (given.trim().toLowerCase() === 'none') return [];
    const entries = given.split(',').map((entry) => entry.trim());
    return entries.includes('') ? undefined : entries;
  },
};

const TRUTHS: Readonly<Record<string, boolean>> = {
  ...{ true: true, yes: true, on: true, 1: true },
  ...{ false: false, no: false, off: false, 0: false },
};

/** A switch. */
export const flag: ValueKind<boolean> = {
  expected: 'true or false',
  read: (given) => TRUTHS[given.trim().toLowerCase()],
};

export const folder: ValueKind<string> = {
  expected: 'the path of a folder',
  read: (given) => (given.includes('\0') ? undefined : absoluteFolder(given)),
};

const HOST_OR_RANGE = /^([a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|[0-9a-f.]*:[0-9a-f:.]*)(\/\d{1,3})?$/;

/** Names of hosts, addresses and ranges (`10.0.0.0/8`), separated by commas; `none` is the empty list. */
export const hostList: ValueKind<readonly string[]> = {
  expected: 'names of hosts, addresses or ranges such as 10.0.0.0/8, separated by commas, or none',
  read(given) {
    if (given.trim().toLowerCase() === 'none') return [];
    const entries = given.split(',').map((entry) => entry.trim().toLowerCase());
    return entries.every((entry) => HOST_OR_RANGE.test(entry)) ? entries : undefined;
  },
};

const HOST_NAME = /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/;

/** Names of hosts without port, separated by commas; `none` is the empty list. */
export const hostNames: ValueKind<readonly string[]> = {
  expected: 'names of hosts such as speech.example.org, without port, separated by commas, or none',
  read(given) {
    if (given.trim().toLowerCase() === 'none') return [];
    const entries = given.split(',').map((entry) => entry.trim().toLowerCase());
    return entries.every((entry) => HOST_NAME.test(entry)) ? entries : undefined;
  },
};

const BYTES_BY_UNIT: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  t: 1e12,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** A size in bytes, written as `1500MB`, `2 GiB` or a plain number; `none` is 0. */
export const byteSize: ValueKind<number> = {
  expected: 'a size such as 1500MB or 2GiB, or none',
  read(given) {
    if (given.trim().toLowerCase() === 'none') return 0;
    const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(given.trim());
    const unit = BYTES_BY_UNIT[(match?.[2] ?? '?').toLowerCase()];
    if (match?.[1] === undefined || unit === undefined) return undefined;
    const bytes = Math.round(Number(match[1]) * unit);
    return Number.isSafeInteger(bytes) ? bytes : undefined;
  },
};
