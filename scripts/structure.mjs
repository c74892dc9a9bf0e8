// Checks the import table of docs/architecture.md. A check that looked at nothing passes too: hence the count.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { root } from './dependencies.mjs';

const cruiser = path.join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
const run = spawnSync(process.execPath, [cruiser, '--config', '.dependency-cruiser.cjs', 'src'], {
  cwd: root,
  encoding: 'utf8',
});
process.stdout.write(run.stdout);
process.stderr.write(run.stderr);
const modulesSeen = Number(/(\d+) modules/.exec(run.stdout)?.[1] ?? 0);
if (modulesSeen === 0) process.stderr.write('The structure check saw no module at all: look at its configuration.\n');
process.exit(run.status === 0 && modulesSeen > 0 ? 0 : 1);
