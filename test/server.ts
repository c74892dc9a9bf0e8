import { once } from 'node:events';
import { descendants, isAlive } from './processes.ts';
import { type RunResult, startDiarist } from './program.ts';
import { filesBelow } from './scratch-folder.ts';

export interface ServerOptions {
  /** Folder of jobs and spool files. */
  readonly dataDir: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

/** A spawned `diarist serve` that listens. Disposing of it stops it as a service manager would. */
export interface RunningServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  /** Resolves when the process has ended. */
  readonly result: Promise<RunResult>;
  /** Ends it with SIGTERM and waits; a server that does not end within 20 s is killed and the test fails. */
  stop(): Promise<RunResult>;
  /** `kill -9`, and waits until it is gone. */
  kill(): Promise<void>;
}

const START_MS = 60_000;
const STOP_MS = 20_000;

/** Starts `bin/diarist serve` on a free port of the loopback address, with its working folder in its own data folder. */
export async function startServer({ dataDir, env = {}, args = [] }: ServerOptions): Promise<RunningServer> {
  const program = startDiarist(['serve', '--port', '0', ...args], {
    env: { DIARIST_DATA: dataDir, DIARIST_SHUTDOWN_SECONDS: '1', ...env },
  });
  const { result } = program;
  const pid = program.process.pid!;
  const late = AbortSignal.timeout(START_MS);
  const match = await Promise.race([
    program.sawOnStdout(/listens on (http:\S+)/),
    once(late, 'abort').then(() => {
      program.process.kill('SIGKILL');
      throw new Error(`diarist serve did not listen within ${START_MS / 1000} s.`);
    }),
  ]);
  const stop = async (): Promise<RunResult> => {
    const family = descendants(pid);
    program.process.kill('SIGTERM');
    const timer = setTimeout(() => program.process.kill('SIGKILL'), STOP_MS);
    const end = await result;
    clearTimeout(timer);
    if (end.signal === 'SIGKILL') throw new Error(`diarist serve did not end within ${STOP_MS / 1000} s.`);
    const left = family.filter(isAlive);
    if (left.length > 0) throw new Error(`diarist serve left processes behind: ${left.join(', ')}.`);
    return end;
  };
  return {
    url: match[1]!,
    pid,
    dataDir,
    result,
    stop,
    async kill() {
      program.process.kill('SIGKILL');
      await result;
    },
    async [Symbol.asyncDispose]() {
      if (isAlive(pid)) await stop();
    },
  };
}

/** Received or decoded audio that lies in a data folder and belongs to no job that is kept: should be nothing. */
export async function leftovers(dataDir: string): Promise<string[]> {
  const files = await filesBelow(dataDir);
  return files.filter((file) => /^spool\/|^jobs\/uploads\/|^jobs\/job_[^/]+\/work\//.test(file));
}
