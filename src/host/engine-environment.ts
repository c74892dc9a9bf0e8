import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';

/**
 * Variables that the engine process starts with, for the allocators below it. What the person's own environment sets
 * wins. glibc keeps a heap a thread and holds on to what large tensors leave behind; with these the peak for ten minutes
 * of speech with words and speakers fell from 1,152 to 977 MB (whole process tree). The tensors that come and go are
 * taken in huge pages, where the system lends them: 45.9 to 43.5 s of processor time for the same ten minutes.
 */
const ALLOCATORS: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '2000000',
  MALLOC_TRIM_THRESHOLD_: '8000000',
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
};

/** The environment of an engine process: ours below the person's own. */
export function engineEnvironment(own: Readonly<NodeJS.ProcessEnv>): NodeJS.ProcessEnv {
  const compileCache = getCompileCacheDir();
  return {
    ...ALLOCATORS,
    // The folder that Node reports is one of its version, below the one that it wants to be told.
    ...(compileCache !== undefined && { NODE_COMPILE_CACHE: dirname(compileCache) }),
    ...own,
  };
}
