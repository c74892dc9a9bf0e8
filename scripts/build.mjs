// `npm run build`: src -> dist, as JavaScript with declarations, beginning with an empty folder.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './dependencies.mjs';

const output = path.join(root, 'dist');
rmSync(output, { recursive: true, force: true });
const compiler = path.join(root, 'node_modules/typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status === 0) rewriteDynamicImports();
process.exit(status ?? 1);

/** TypeScript 6.0 rewrites .ts to .js in imports, but not in `import()` within a function that has a `using`. */
function rewriteDynamicImports() {
  for (const name of readdirSync(output, { recursive: true })) {
    if (!name.endsWith('.js')) continue;
    const file = path.join(output, name);
    const code = readFileSync(file, 'utf8');
    const rewritten = code.replace(/(\bimport\((['"])\.{1,2}\/[^'"]+)\.ts\2\)/g, '$1.js$2)');
    if (rewritten !== code) writeFileSync(file, rewritten);
  }
}
