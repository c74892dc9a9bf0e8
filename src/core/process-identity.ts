import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Machine and process namespace in which a process id of ours means something: containers may share a disk. */
export function processPlace(): string {
  return `${hostname()} ${processNamespace()}`;
}

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return process.platform;
  }
}

/**
 * When a process started, which tells it from a later one with the same id: field 22 of /proc/PID/stat (proc(5)), clock
 * ticks since boot. Null where there is no such process or no /proc.
 */
export function processStart(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command name stands in brackets and may hold spaces: count from behind it.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/** True while the process of this place that has had `pid` since `startedAt` (empty: not known) is there. */
export function isProcessAlive(pid: number, startedAt = ''): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const found = processStart(pid);
  return found === null || startedAt === '' || found === startedAt;
}
