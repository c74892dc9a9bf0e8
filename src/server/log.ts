import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';

export interface LogOptions {
  readonly level: 'silent' | 'error' | 'warn' | 'info' | 'debug';
  /** Short lines for a person instead of JSON. */
  readonly pretty: boolean;
  readonly output: { write(text: string): unknown };
}

/** What a careless caller could log: it never leaves the process. */
const REDACTED = [
  'headers',
  'req.headers',
  'authorization',
  'key',
  'secret',
  'token',
  'url',
  'text',
  'transcript',
  'name',
  'file',
  'path',
];

/** The server's log: JSON lines, or one-liners where a person reads along. */
export function createLogger({ level, pretty, output }: LogOptions): Logger {
  const destination: DestinationStream = { write: (line) => void output.write(pretty ? oneLiner(line) : line) };
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.err },
      redact: REDACTED,
    },
    destination,
  );
}

interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly msg?: string;
  readonly err?: { readonly stack?: string; readonly message?: string };
  readonly [field: string]: unknown;
}

/** `12:30:01 warn  a model could not be fetched  model=base reason="no network"`. */
function oneLiner(line: string): string {
  const { level, time, msg = '', err, ...fields } = JSON.parse(line) as LogLine;
  const facts = Object.entries(fields).map(([name, value]) => `${name}=${shown(value)}`);
  const clock = new Date(time).toTimeString().slice(0, 8);
  const stack = err === undefined ? '' : `\n${err.stack ?? err.message ?? ''}`;
  return `${[clock, level.padEnd(5), msg, ...facts].join(' ').trimEnd()}${stack}\n`;
}

function shown(value: unknown): string {
  return typeof value === 'string' && /^[\w./:-]+$/.test(value) ? value : JSON.stringify(value);
}
