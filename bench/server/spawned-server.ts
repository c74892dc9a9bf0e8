import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../bin/diarist', import.meta.url));

/** A `diarist serve` of this checkout with a data folder of its own, which goes with it. */
export interface SpawnedServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

/** Starts a server that keeps no results: the same recording is work each time. */
export async function spawnServer(environment: Readonly<Record<string, string>> = {}): Promise<SpawnedServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'diarist-bench-server-'));
  const child = spawn(process.execPath, [PROGRAM, 'serve', '--port', '0'], {
    env: { ...process.env, DIARIST_DATA: dataDir, DIARIST_RESULT_TTL: '0', DIARIST_KEEP_UPLOADS: '0', ...environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exit = once(child, 'exit');
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await exit;
    rmSync(dataDir, { recursive: true, force: true });
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /listens on (http:\S+)/.exec(line)?.[1];
    // The pipe stays open without a reader: the server says nothing more on it.
    if (url !== undefined) return { url, pid: child.pid!, [Symbol.asyncDispose]: stop };
  }
  await stop();
  throw new Error('diarist serve ended before it listened: run it by hand to see why.');
}

/** A number of the server's metrics; NaN where there is none of that name. */
export async function readMetric(server: SpawnedServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split('\n').find((own) => own.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? Number.NaN);
}
