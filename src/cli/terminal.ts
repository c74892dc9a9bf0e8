/** How standard error may be written to. */
export interface Terminal {
  /** A person looks at it: lines may be rewritten. */
  readonly interactive: boolean;
  readonly colour: boolean;
  readonly columns: () => number;
  readonly write: (text: string) => void;
}

const DEFAULT_COLUMNS = 80;

/** Standard error as it is: colour only on a terminal, and not where `NO_COLOR` (no-color.org) or `TERM=dumb` asks for none. */
export function standardError(environment: Readonly<NodeJS.ProcessEnv>): Terminal {
  const interactive = process.stderr.isTTY === true && environment.TERM !== 'dumb';
  return {
    interactive,
    colour: interactive && !environment.NO_COLOR,
    columns: () => process.stderr.columns || DEFAULT_COLUMNS,
    write: (text) => void process.stderr.write(text),
  };
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

export function styled(text: string, style: Style, colour: boolean): string {
  const [on, off] = CODES[style];
  return colour ? `\x1b[${on}m${text}\x1b[${off}m` : text;
}

/** A line that is rewritten in place. Nothing is shown where nobody looks. */
export class LiveLine {
  readonly #terminal: Terminal;
  #shown = '';

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Replaces what the line says; text beyond the terminal's width is cut. */
  show(text: string): void {
    if (!this.#terminal.interactive) return;
    const cut = text.slice(0, this.#terminal.columns() - 1);
    if (cut === this.#shown) return;
    this.#terminal.write(`\r\x1b[2K${cut}`);
    this.#shown = cut;
  }

  /** Removes the line, so that others can be written. */
  clear(): void {
    if (this.#shown === '') return;
    this.#terminal.write('\r\x1b[2K');
    this.#shown = '';
  }
}

const BLOCKS = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;

/** A bar of `width` columns, filled to `fraction` (0 to 1) with eighths of a column. */
export function bar(fraction: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, fraction)) * width * 8);
  const full = '█'.repeat(Math.floor(eighths / 8));
  const part = eighths % 8 === 0 ? '' : BLOCKS[eighths % 8]!;
  return (full + part).padEnd(width, '░');
}

/** `0:07`, `12:30`, `1:02:30`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
