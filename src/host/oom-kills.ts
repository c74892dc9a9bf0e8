import { readFileSync } from 'node:fs';

/**
 * Processes that the kernel has killed for want of memory since it started (Linux: `oom_kill` of /proc/vmstat); undefined
 * where it does not count them. Unchanged over the life of a process that got SIGKILL: somebody else sent it.
 */
export function oomKills(): number | undefined {
  try {
    const count = /^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'latin1'))?.[1];
    return count === undefined ? undefined : Number(count);
  } catch {
    return undefined;
  }
}
