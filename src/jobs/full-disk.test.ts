import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const program = new URL('./fixtures/full-disk-process.ts', import.meta.url).pathname;
const MOUNT = 'mount -t tmpfs -o size=1500k tmpfs "$0"';

/** Runs a shell script in a mount namespace of its own, so that a small disk can be mounted and goes by itself. */
function inNamespace(script: string, ...parameters: string[]) {
  return spawnSync('unshare', ['-rm', 'sh', '-c', script, ...parameters], { encoding: 'utf8' });
}

it('a full disk refuses a job in one sentence, and a result waits until there is room', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'diarist-full-'));
  try {
    if (inNamespace(MOUNT, folder).status !== 0) context.skip('this system lets nobody mount a small disk');
    const run = inNamespace(`${MOUNT} && exec "$1" "$2" "$0"`, folder, process.execPath, program);
    expect(run.stderr).toBe('');
    expect(JSON.parse(run.stdout)).toEqual({
      refusal: 'disk_full',
      rows: 0,
      folders: 0,
      whileFull: 'running',
      state: 'succeeded',
      kept: true,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
