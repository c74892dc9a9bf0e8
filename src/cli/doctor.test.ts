import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../config/config.ts';
import { type CheckResult, checkCpu, checkMemory } from './doctor-checks.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diarist-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Programs that only say their version, in a folder that is all of PATH. */
function pathWith(...programs: string[]): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const program of programs) {
    writeFileSync(join(bin, program), `#!/bin/sh\necho "${program} version 7.1-test Copyright"\n`);
    chmodSync(join(bin, program), 0o755);
  }
  symlinkSync(process.execPath, join(bin, 'node'));
  return bin;
}

async function doctor(environment: NodeJS.ProcessEnv, ...args: string[]) {
  const env = {
    PATH: pathWith('ffmpeg', 'ffprobe'),
    HOME: folder,
    DIARIST_CACHE: join(folder, 'cache'),
    DIARIST_DATA: join(folder, 'data'),
    ...environment,
  };
  const { code, out } = await new Promise<{ code: unknown; out: string }>((settle) => {
    execFile(process.execPath, [MAIN, 'doctor', ...args], { env }, (error, out) =>
      settle({ code: error?.code ?? 0, out }),
    );
  });
  const find = (name: string): CheckResult | undefined =>
    (JSON.parse(out) as { checks: CheckResult[] }).checks.find((check) => check.name === name);
  return { code, out, find };
}

describe('diarist doctor', () => {
  it('is content where only models are missing, and says how to get them', async () => {
    const { code, out } = await doctor({});
    expect(out).toMatch(/^✓ ffmpeg +7\.1-test$/m);
    expect(out).toMatch(/^! model base +not on this machine yet$/m);
    expect(out).toContain('diarist models pull segmentation-3.0');
    expect(out).toContain('Recordings can be transcribed here.');
    expect(out).not.toContain('\x1b');
    expect(code).toBe(0);
  });

  it('fails where ffmpeg is missing, with the command that installs it', async () => {
    const { code, find } = await doctor({ PATH: '/nonexistent' }, '--json');
    expect(code).toBe(1);
    expect(find('ffmpeg')).toMatchObject({ status: 'problem', remedy: expect.stringContaining('install ffmpeg') });
  });

  it('fails where a folder cannot be written to', async () => {
    writeFileSync(join(folder, 'file'), '');
    const { code, find } = await doctor({ DIARIST_DATA: join(folder, 'file') }, '--json');
    expect(code).toBe(1);
    expect(find('data')).toMatchObject({ status: 'problem', remedy: expect.stringContaining('DIARIST_DATA') });
    expect(find('cache')).toMatchObject({ status: 'ok' });
  });

  it('fails where a model can neither be found nor fetched', async () => {
    const unknown = await doctor({}, '--json', '--model', 'bsae');
    expect(unknown.code).toBe(1);
    expect(unknown.find('model bsae')?.finding).toContain('did you mean base');
    rmSync(join(folder, 'bin'), { recursive: true });
    const offline = await doctor({ HF_HUB_OFFLINE: '1' }, '--json');
    expect(offline.code).toBe(1);
    expect(offline.find('model base')).toMatchObject({ status: 'problem' });
    expect(offline.find('model campplus')).toMatchObject({
      status: 'warning',
      finding: expect.stringContaining('transcripts will have no speakers'),
    });
  });

  it('fails where the device that is wanted cannot be used', async ({ skip }) => {
    if (process.platform !== 'linux' || existsSync('/dev/nvidiactl')) skip('this machine may have the device');
    const { code, find } = await doctor({ DIARIST_DEVICE: 'cuda' }, '--json');
    expect(code).toBe(1);
    expect(find('inference')).toMatchObject({ status: 'problem', remedy: expect.stringContaining('--device cpu') });
  });

  it('names variables that nobody reads, and refuses wrong ones', async () => {
    expect((await doctor({ DIARIST_CAHCE: 'x' }, '--json')).find('settings')).toMatchObject({
      status: 'warning',
      finding: 'nothing reads DIARIST_CAHCE',
    });
    rmSync(join(folder, 'bin'), { recursive: true });
    expect((await doctor({ DIARIST_THREADS: 'x' })).code).toBe(2);
  });
});

describe('checks', () => {
  it('tell what of the CPU decides the speed', () => {
    expect(checkCpu('flags\t\t: fpu avx avx2 avx512_vnni\n').finding).toContain('avx2, avx512_vnni');
    expect(checkCpu('flags\t\t: fpu sse2\n').status).toBe(process.arch === 'x64' ? 'warning' : 'ok');
    expect(checkCpu('').status).toBe('ok');
  });

  it('judge memory by what is free and what the engine may take', () => {
    const config = (limit: string) => loadConfig({ environment: { DIARIST_MEMORY_LIMIT: limit } });
    expect(checkMemory(config('none'), 8e9).status).toBe('ok');
    expect(checkMemory(config('1.5GB'), 8e9).status).toBe('warning');
    expect(checkMemory(config('8GB'), 0.5e9).status).toBe('problem');
  });
});
