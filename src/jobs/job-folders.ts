import { existsSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isJobId } from './job-id.ts';

/** Files of the jobs: a folder a job with its recording and what the engine keeps to go on from, and one for uploads. */
export class JobFolders {
  readonly uploads: string;
  readonly #root: string;

  /** Creates what is missing below `root`. */
  constructor(root: string) {
    this.#root = root;
    this.uploads = join(root, 'uploads');
    mkdirSync(this.uploads, { recursive: true });
  }

  recording(id: string): string {
    return join(this.#root, id, 'recording');
  }

  /** Folder of the engine's checkpoints; created with the job. */
  work(id: string): string {
    return join(this.#root, id, 'work');
  }

  create(id: string): void {
    mkdirSync(this.work(id), { recursive: true });
  }

  /** Makes an upload the recording of a job, in one step. */
  adopt(path: string, id: string): void {
    this.create(id);
    renameSync(path, this.recording(id));
  }

  /** Gives a job the recording of another; each may go without the other. */
  share(fromId: string, toId: string): void {
    this.create(toId);
    linkSync(this.recording(fromId), this.recording(toId));
  }

  hasRecording(id: string): boolean {
    return existsSync(this.recording(id));
  }

  async removeWork(id: string): Promise<void> {
    await rm(this.work(id), { recursive: true, force: true });
  }

  async removeRecording(id: string): Promise<void> {
    await rm(this.recording(id), { force: true });
  }

  async remove(id: string): Promise<void> {
    await rm(join(this.#root, id), { recursive: true, force: true });
  }

  /** Removes the folder of a job that was not accepted after all. */
  discard(id: string): void {
    rmSync(join(this.#root, id), { recursive: true, force: true });
  }

  /** Removes uploads that nobody receives any more, folders of jobs that are not known, and checkpoints of ended jobs. */
  sweep(stateOf: (id: string) => 'open' | 'ended' | 'unknown'): void {
    for (const name of readdirSync(this.uploads)) rmSync(join(this.uploads, name), { recursive: true, force: true });
    for (const name of readdirSync(this.#root)) {
      if (!isJobId(name)) continue;
      const state = stateOf(name);
      if (state === 'unknown') rmSync(join(this.#root, name), { recursive: true, force: true });
      else if (state === 'ended') rmSync(this.work(name), { recursive: true, force: true });
      else this.create(name);
    }
  }
}

/** Waits until the bytes of a file are on the disk: what was accepted must outlive a power failure. */
export async function syncToDisk(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}
