import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Memory of a process that is in RAM now, in bytes, asked from outside so that a process too busy to answer is seen
 * too. Undefined where it cannot be known: the process has ended, or the platform has neither /proc nor `ps`.
 */
export async function residentBytes(pid: number): Promise<number | undefined> {
  try {
    if (process.platform === 'linux') {
      const status = await readFile(`/proc/${pid}/status`, 'latin1');
      return kibibytes(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
    }
    if (process.platform === 'win32') return undefined;
    const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)]);
    return kibibytes(stdout.trim());
  } catch {
    return undefined;
  }
}

function kibibytes(digits: string | undefined): number | undefined {
  return digits !== undefined && /^\d+$/.test(digits) ? Number(digits) * 1024 : undefined;
}
