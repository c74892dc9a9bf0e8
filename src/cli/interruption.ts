import { DiaristError } from '../core/errors.ts';

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

type StopSignal = keyof typeof EXIT_CODES;

/** The wish to stop. The first signal aborts {@link Interruption.signal}; the second ends the program at once. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** Exit code that tells which signal came (128 + its number), or undefined. */
  exitCode(): number | undefined;
}

/** What a command throws that a signal ended; its exit code tells which. */
export class Interrupted extends DiaristError {
  readonly #exitCode: number;

  constructor(message: string, exitCode: number) {
    super('cancelled', message);
    this.#exitCode = exitCode;
  }

  override get exitCode(): number {
    return this.#exitCode;
  }
}

/** Listens to Ctrl-C and the signals of a service stop until disposed of. */
export function listenForInterruption(onFirst: () => void): Interruption {
  const controller = new AbortController();
  let code: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (code !== undefined) process.exit(code);
    code = EXIT_CODES[signal as StopSignal];
    onFirst();
    controller.abort();
  };
  const signals = Object.keys(EXIT_CODES) as StopSignal[];
  for (const signal of signals) process.on(signal, onSignal);
  return {
    signal: controller.signal,
    exitCode: () => code,
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
