import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';

/**
 * Variables that the engine process starts with, for the allocators below it. What the person's own environment sets
 * wins.
 */
const ALLOCATORS: Readonly<Record<string, string>> = {};

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
