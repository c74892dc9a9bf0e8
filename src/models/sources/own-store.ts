import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, modelOf, readManifest, visibleDamage } from '../manifest.ts';
import type { ResolvedModel } from '../types.ts';

/** What the store holds under a key. */
export type Holding =
  | { readonly state: 'absent' }
  | { readonly state: 'damaged'; readonly problem: string }
  | { readonly state: 'whole'; readonly model: ResolvedModel; readonly manifest: Manifest };

/** The models that diarist itself keeps: `models/KEY/` with a manifest; work in progress stands in dotted folders. */
export class OwnStore {
  readonly dir: string;

  constructor(cacheDir: string) {
    this.dir = join(cacheDir, 'models');
  }

  folder(key: string): string {
    return join(this.dir, key);
  }

  /** Where unfinished fetches of a model are kept, so that they can go on. */
  partialFolder(key: string): string {
    return join(this.dir, '.partial', key);
  }

  lockFile(key: string): string {
    return join(this.dir, '.locks', `${key}.lock`);
  }

  /** Where the hashes of files outside the store are remembered. */
  hashFolder(): string {
    return join(this.dir, '.hashes');
  }

  /** Checks lengths, not bytes: `diarist models verify` reads the bytes. */
  async holding(key: string): Promise<Holding> {
    const dir = this.folder(key);
    const manifest = await readManifest(dir);
    if (manifest === null) {
      const names = await readdir(dir).catch(() => []);
      return names.length === 0 ? { state: 'absent' } : { state: 'damaged', problem: 'its manifest is missing' };
    }
    const problem = await visibleDamage(dir, manifest);
    return problem === null
      ? { state: 'whole', model: modelOf(dir, manifest), manifest }
      : { state: 'damaged', problem };
  }

  async keys(): Promise<readonly string[]> {
    const entries = await readdir(this.dir, { withFileTypes: true }).catch(() => []);
    return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name);
  }

  /** Puts a finished folder in place in one step, and what stood there out of the way. */
  async adopt(key: string, finished: string): Promise<void> {
    await mkdir(this.dir, { recursive: true });
    const target = this.folder(key);
    const aside = join(this.dir, `.removed-${randomUUID()}`);
    const replaced = await rename(target, aside).then(
      () => true,
      () => false,
    );
    await rename(finished, target);
    if (replaced) await rm(aside, { recursive: true, force: true });
    await rm(this.partialFolder(key), { recursive: true, force: true });
  }

  /** Removes a model and what is left of fetching it. Returns false where there was nothing. */
  async remove(key: string): Promise<boolean> {
    const aside = join(this.dir, `.removed-${randomUUID()}`);
    const removed = await rename(this.folder(key), aside).then(
      () => true,
      () => false,
    );
    await rm(aside, { recursive: true, force: true });
    await rm(this.partialFolder(key), { recursive: true, force: true });
    return removed;
  }
}
