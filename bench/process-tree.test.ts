import { describe, expect, it } from 'vitest';
import { measure } from './process-tree.ts';

const MEBIBYTE = 1 << 20;

describe.skipIf(process.platform !== 'linux')('measure', () => {
  it('counts memory and time of grandchildren, and passes input and output on', async () => {
    const inner = `const held = Buffer.alloc(${200 * MEBIBYTE}, 1); const until = Date.now() + 600; while (Date.now() < until); process.stdout.write('in ' + held.length)`;
    const outer = `const { spawnSync } = require('child_process'); let text = ''; process.stdin.on('data', (part) => { text += part; }).on('end', () => {
      const child = require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(inner)}], { stdio: 'inherit' });
      child.on('close', () => { console.log(' ' + text); console.error('said'); process.exit(3); });
    });`;
    const run = await measure({ command: process.execPath, args: ['-e', outer], stdin: 'told' });
    expect(run.exitCode).toBe(3);
    expect(run.stdout).toBe(`in ${200 * MEBIBYTE} told`);
    expect(run.stderr).toBe('said');
    expect(run.peakMemoryMb).toBeGreaterThan(200);
    expect(run.cpuSeconds).toBeGreaterThan(0.3);
    expect(run.processSeconds).toBeGreaterThan(0.6);
  });

  it('rejects when there is no such command', async () => {
    await expect(measure({ command: '/nonexistent/command', args: [] })).rejects.toThrow('ENOENT');
  });
});
