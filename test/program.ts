import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export const repositoryRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
export const launcher = path.join(repositoryRoot, 'bin/diarist');

export interface RunOptions {
  /** Added to this process's environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly stdin?: Readable;
  /** File descriptor that takes the place of the standard output. */
  readonly stdoutFd?: number;
}

export interface RunResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningProgram {
  readonly process: ChildProcess;
  readonly result: Promise<RunResult>;
  /** Resolves when the standard error has matched; rejects when the program ends before that. */
  sawOnStderr(pattern: RegExp): Promise<void>;
  /** The same for the standard output, with what matched. */
  sawOnStdout(pattern: RegExp): Promise<RegExpExecArray>;
}

export function startProgram(program: string, args: readonly string[], options: RunOptions = {}): RunningProgram {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1' };
  for (const [name, value] of Object.entries(options.env ?? {})) {
    if (value === undefined) delete env[name];
    else env[name] = value;
  }
  const child = spawn(program, args, {
    cwd: options.cwd ?? repositoryRoot,
    env,
    stdio: [options.stdin ? 'pipe' : 'ignore', options.stdoutFd ?? 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  if (options.stdin && child.stdin) {
    // A program that refuses its input closes it early; that is its right.
    child.stdin.on('error', () => {});
    options.stdin.pipe(child.stdin);
  }
  const result = new Promise<RunResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  const saw = async (pattern: RegExp, stream: Readable | null, read: () => string): Promise<RegExpExecArray> => {
    const ended = result.then((end) => {
      throw new Error(`ended with ${end.code ?? end.signal} before ${pattern} was seen: ${end.stderr}`);
    });
    const seen = new Promise<RegExpExecArray>((resolve) => {
      const look = () => {
        const match = pattern.exec(read());
        if (match) resolve(match);
      };
      stream?.on('data', look);
      look();
    });
    ended.catch(() => {});
    return await Promise.race([seen, ended]);
  };
  return {
    process: child,
    result,
    async sawOnStderr(pattern) {
      await saw(pattern, child.stderr, () => stderr);
    },
    sawOnStdout: (pattern) => saw(pattern, child.stdout, () => stdout),
  };
}

/** Starts `bin/diarist` from this checkout on the Node that runs the tests. */
export function startDiarist(args: readonly string[], options: RunOptions = {}): RunningProgram {
  return startProgram(process.execPath, [launcher, ...args], options);
}

/** Runs `bin/diarist` to its end. */
export function diarist(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return startDiarist(args, options).result;
}
