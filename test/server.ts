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
  /** What the promise says; rejects at once where the server ends before. */
  whileItRuns<T>(work: Promise<T>): Promise<T>;
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
  const timer = setTimeout(() => program.process.kill('SIGKILL'), START_MS);
  // Rejects when the program ends before it listens, of itself or for being late.
  const match = await program.sawOnStdout(/listens on (http:\S+)/).finally(() => clearTimeout(timer));
  let isExpectedToEnd = false;
  const stop = async (): Promise<RunResult> => {
    isExpectedToEnd = true;
    const family = descendants(pid);
    program.process.kill('SIGTERM');
    const patience = setTimeout(() => program.process.kill('SIGKILL'), STOP_MS);
    const end = await result;
    clearTimeout(patience);
    if (end.signal === 'SIGKILL') throw new Error(`diarist serve did not end within ${STOP_MS / 1000} s.`);
    const left = family.filter(isAlive);
    if (left.length > 0) throw new Error(`diarist serve left processes behind: ${left.join(', ')}.`);
    return end;
  };
  const diedEarly = result.then(({ code, signal, stderr }) => {
    if (isExpectedToEnd) return;
    const failure = `diarist serve ended by itself with ${code ?? signal}: ${stderr.slice(-3000)}`;
    // Said at once: what waits for this server may wait for long.
    console.error(failure);
    throw new Error(failure);
  });
  diedEarly.catch(() => undefined);
  return {
    url: match[1]!,
    pid,
    dataDir,
    whileItRuns: async (work) => {
      const failed = diedEarly.then(() => {
        throw new Error('diarist serve was stopped meanwhile.');
      });
      return await Promise.race([work, failed]);
    },
    stop,
    async kill() {
      isExpectedToEnd = true;
      program.process.kill('SIGKILL');
      await result;
    },
    async [Symbol.asyncDispose]() {
      if (isAlive(pid)) await stop();
      else await diedEarly;
    },
  };
}

/** Received or decoded audio that lies in a data folder and belongs to no job that is kept: should be nothing. */
export async function leftovers(dataDir: string): Promise<string[]> {
  const files = await filesBelow(dataDir);
  return files.filter((file) => /^spool\/|^jobs\/uploads\/|^jobs\/job_[^/]+\/work\//.test(file));
}
