import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('./main.ts', import.meta.url));

let folder: string;
const running = new Set<ChildProcess>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diarist-serve-'));
});
afterEach(async () => {
  for (const child of running) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
});

function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
  const env = {
    ...{ PATH: process.env.PATH, HOME: folder, DIARIST_FETCH_MODELS: 'false' },
    ...{ DIARIST_DATA: join(folder, 'data'), DIARIST_CACHE: join(folder, 'cache') },
    ...environment,
  };
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: folder, env });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = start(args);
  const [out, err] = await Promise.all([readAll(child.stdout!), readAll(child.stderr!), once(child, 'close')]);
  return { code: child.exitCode, out, err };
}

/** Address of a server, once it says that it listens. */
async function addressOf(child: ChildProcess): Promise<string> {
  let said = '';
  for await (const chunk of child.stdout!) {
    said += String(chunk);
    const url = /listens on (http:\S+)/.exec(said)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error(`The server said nothing of its address: ${said}`);
}

describe('diarist serve', () => {
  it('takes a free port, says which, and ends with 0 on SIGTERM', async () => {
    const child = start(['serve', '--port', '0']);
    const url = await addressOf(child);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
  });

  it('says in one sentence why it does not start', async () => {
    await using taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const busy = await run('serve', '--port', String(port));
    expect([busy.code, busy.err]).toEqual([
      2,
      `diarist: Port ${port} is taken by another program: choose one with --port.\n`,
    ]);
    const open = await run('serve', '--port', '0', '--host', '0.0.0.0');
    expect([open.code, open.err]).toEqual([2, expect.stringContaining('diarist keys create NAME')]);
    const elsewhere = await run('serve', '--port', '0', '--host', '203.0.113.7', '--allow-anonymous');
    expect([elsewhere.code, elsewhere.err]).toEqual([2, expect.stringContaining('is no address of this machine')]);
    writeFileSync(join(folder, 'diarist.yaml'), 'prot: 1\n');
    const wrong = await run('serve');
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringMatching(/^diarist: .*"prot": did you mean port\?\n$/)]);
  });

  it('asks for a key that the command line made, beyond this machine and while it runs', async () => {
    const made = await run('keys', 'create', 'ana', '--rate', '100');
    const key = made.out.trim();
    const url = await addressOf(start(['serve', '--port', '0', '--host', '0.0.0.0']));
    const jobs = (headers: Record<string, string>) =>
      fetch(`${url.replace('0.0.0.0', '127.0.0.1')}/api/jobs`, { headers });
    expect((await jobs({})).status).toBe(401);
    expect((await jobs({ 'x-api-key': key })).status).toBe(200);
    expect((await run('keys', 'list')).out).toMatch(/ana +audio:stt,status:read .*valid +100 requests\/min/);
    expect((await run('keys', 'usage')).out).toMatch(/ana +0 +0\.0/);
    expect((await run('keys', 'revoke', 'ana')).code).toBe(0);
    expect((await jobs({ 'x-api-key': key })).status).toBe(401);
    expect((await run('keys', 'revoke', 'ben')).err).toContain('"ben" is no key of this server');
  });
});

describe('diarist config', () => {
  it('prints every value with its origin, and no secret', async () => {
    writeFileSync(join(folder, 'diarist.yaml'), 'port: 9321\nwebhook_secret: whsec_c2VjcmV0\n');
    const { out } = await run('config');
    expect(out).toMatch(/^port +9321 +port in .*diarist\.yaml$/m);
    expect(out).toMatch(/^queue_limit +256 +default$/m);
    expect(out).not.toContain('whsec');
    const { settings } = JSON.parse((await run('config', '--json')).out) as {
      settings: { key: string; origin: string }[];
    };
    expect(settings.find(({ key }) => key === 'port')).toMatchObject({ value: 9321, origin: 'file' });
  });
});
