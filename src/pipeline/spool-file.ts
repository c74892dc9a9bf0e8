import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Runs `work` with the path of a spool file of its own, which is gone afterwards. */
export async function withSpool<T>(dataDir: string, work: (spoolPath: string) => Promise<T>): Promise<T> {
  const folder = join(dataDir, 'spool');
  await mkdir(folder, { recursive: true });
  const spoolPath = join(folder, `${randomUUID()}.pcm`);
  try {
    return await work(spoolPath);
  } finally {
    await rm(spoolPath, { force: true });
  }
}
