import { mkdir, statfs } from 'node:fs/promises';
import { DiaristError } from '../core/errors.ts';

/** Left free beyond what a download needs, so that the machine keeps working. */
const RESERVE_BYTES = 64 * 1024 * 1024;

/** `1.5 GB`, `145 MB`, `3 kB`: decimal units, as disks and hubs count. */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${Math.round(bytes / 1e6)} MB`;
  if (bytes >= 1e3) return `${Math.round(bytes / 1e3)} kB`;
  return `${bytes} bytes`;
}

/** Throws `disk_full` unless `bytes` more fit on the disk of `dir`, which is created. */
export async function requireSpace(dir: string, bytes: number, what: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const { bavail, bsize } = await statfs(dir);
  const free = bavail * bsize;
  if (free >= bytes + RESERVE_BYTES) return;
  throw new DiaristError(
    'disk_full',
    `${what} needs ${formatBytes(bytes)} but ${dir} has ${formatBytes(free)} free: free some space, or set DIARIST_CACHE to a folder on a larger disk.`,
  );
}
