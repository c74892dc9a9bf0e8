import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { HashMemory } from '../hashing.ts';
import { resolveFolder } from '../resolve-folder.ts';
import type { ResolvedModel } from '../types.ts';
import type { ModelPlan } from './source.ts';

/** Folders that hold Hugging Face caches, as huggingface_hub and pyannote.audio choose them. */
export function hubCacheFolders(env: NodeJS.ProcessEnv): readonly string[] {
  const userCache = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
  const hubHome = env.HF_HOME || join(userCache, 'huggingface');
  const hub = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(hubHome, 'hub');
  const pyannote = env.PYANNOTE_CACHE || join(userCache, 'torch', 'pyannote');
  return [hub, pyannote];
}

/**
 * Looks for a model that another program fetched from Hugging Face (`models--org--name/snapshots/COMMIT`). It is used
 * where it lies. A snapshot that is incomplete, or whose bytes are not those of the catalogue, is passed over.
 */
export async function findInHubCache(
  plan: ModelPlan,
  env: NodeJS.ProcessEnv,
  hashes: HashMemory,
): Promise<ResolvedModel | null> {
  if (plan.hub === undefined) return null;
  for (const folder of hubCacheFolders(env)) {
    for (const repo of [plan.hub.repo, ...(plan.hub.alsoKnownAs ?? [])]) {
      const repoFolder = join(folder, `models--${repo.replaceAll('/', '--')}`);
      for (const snapshot of await snapshots(repoFolder, plan.hub.revision)) {
        const model = await resolveFolder(snapshot, plan, hashes);
        if (model !== null) return model;
      }
    }
  }
  return null;
}

/** The snapshot that the revision points to; for the default revision then all others. */
async function snapshots(repoFolder: string, revision: string): Promise<readonly string[]> {
  const commit = await readFile(join(repoFolder, 'refs', revision), 'utf8').catch(() => revision);
  const all = await readdir(join(repoFolder, 'snapshots')).catch(() => []);
  const wanted = all.filter((name) => name === commit.trim());
  const others = revision === 'main' ? all.filter((name) => name !== commit.trim()) : [];
  return [...wanted, ...others].map((name) => join(repoFolder, 'snapshots', name));
}
