import { existsSync } from 'node:fs';
import { siblingModule } from '../core/modules.ts';
import type { Dialect } from './types.ts';

/** The dialects that stand in the tree already. */
export async function findDialects(): Promise<readonly Dialect[]> {
  const dialects: Dialect[] = [];
  for (const name of ['openai', 'asr', 'speakers', 'jobs']) {
    const module = siblingModule(import.meta.url, `./dialects/${name}/index`);
    if (!existsSync(module)) continue;
    const exported = (await import(module.href)) as Record<string, Dialect>;
    const dialect = exported[`${name}Dialect`];
    if (dialect !== undefined) dialects.push(dialect);
  }
  return dialects;
}
