import { execFileSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { diarist, launcher, repositoryRoot, startProgram } from './program.ts';
import { filesBelow, type ScratchFolder, scratchFolder } from './scratch-folder.ts';

const oldNode = findOldNode();
const needsOldNode = oldNode ? '' : ' (skipped: no Node older than 22.18 on this machine)';

describe('bin/diarist', () => {
  it('runs the sources of a checkout', async () => {
    const { version } = JSON.parse(readFileSync(path.join(repositoryRoot, 'package.json'), 'utf8'));
    const run = await diarist(['--version']);
    expect(run).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('runs through a link from another folder, as npm installs it', async () => {
    await using folder = await scratchFolder();
    await symlink(launcher, folder.file('diarist'));
    const run = await startProgram(process.execPath, [folder.file('diarist'), '--version'], { cwd: folder.path })
      .result;
    expect(run).toMatchObject({ code: 0, stderr: '' });
  });

  it('says what to run when the dependencies are not installed', async () => {
    await using folder = await scratchFolder();
    await packageFolder(folder, 'src/cli/main.ts', '');
    await writeFile(folder.file('package.json'), '{ "type": "module", "dependencies": { "commander": "1" } }');
    const run = await startProgram(process.execPath, [folder.file('bin/diarist')]).result;
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^diarist: .*npm install.*\n$/);
  });

  it('says so when the package is incomplete', async () => {
    await using folder = await scratchFolder();
    await packageFolder(folder, 'dist/nothing.js', '');
    const run = await startProgram(process.execPath, [folder.file('bin/diarist')]).result;
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^diarist: .*install.*\n$/);
  });

  describe.skipIf(!oldNode)(`on an old Node${needsOldNode}`, () => {
    const program = `
      process.on('SIGTERM', () => { console.log('terminated'); process.exit(44); });
      process.stdin.on('data', (text) => console.log(process.versions.node.split('.')[0] >= 22, String(text)));
      process.stdin.on('end', () => {
        if (process.argv[2] === 'wait') { console.error('waiting'); setInterval(() => {}, 1000); }
        else if (process.argv[2] === 'die') process.kill(process.pid, 'SIGKILL');
        else process.exit(Number(process.argv[2]));
      });`;

    it('goes on with the Node beside it: same input, output and exit code', async () => {
      await using folder = await scratchFolder();
      await packageFolder(folder, 'dist/cli/main.js', program);
      await suppliedNode(folder);
      const run = await startOnOldNode(folder, ['43'], 'words').result;
      expect(run).toMatchObject({ code: 43, signal: null, stdout: 'true words\n', stderr: '' });
    });

    it('passes signals on, and dies of what its child died of', async () => {
      await using folder = await scratchFolder();
      await packageFolder(folder, 'dist/cli/main.js', program);
      await suppliedNode(folder);
      const waiting = startOnOldNode(folder, ['wait'], 'x');
      await waiting.sawOnStderr(/waiting/);
      waiting.process.kill('SIGTERM');
      expect(await waiting.result).toMatchObject({ code: 44, stdout: 'true x\nterminated\n' });
      expect(await startOnOldNode(folder, ['die'], 'x').result).toMatchObject({ code: null, signal: 'SIGKILL' });
    });

    it('finds a fitting Node on the PATH', async () => {
      await using folder = await scratchFolder();
      await packageFolder(folder, 'dist/cli/main.js', program);
      const run = await startOnOldNode(folder, ['0'], 'x', path.dirname(process.execPath)).result;
      expect(run).toMatchObject({ code: 0, stdout: 'true x\n' });
    });

    it('says what to install when there is no other', async () => {
      await using folder = await scratchFolder();
      await packageFolder(folder, 'dist/cli/main.js', program);
      const run = await startOnOldNode(folder, ['0'], 'x').result;
      expect(run.code).toBe(1);
      expect(run.stderr).toMatch(/^diarist: Node 22\.18 or newer is needed and this is .*: install Node 24.*\n$/);
    });
  });
});

/** A package in a folder: the real launcher, and a program of the test's own in the place of ours. */
async function packageFolder(folder: ScratchFolder, entry: string, program: string): Promise<void> {
  await mkdir(folder.file('bin'));
  for (const name of ['diarist', 'package.json']) {
    await copyFile(path.join(repositoryRoot, 'bin', name), folder.file(path.join('bin', name)));
  }
  await writeFile(folder.file('package.json'), '{ "type": "module" }');
  await mkdir(path.dirname(folder.file(entry)), { recursive: true });
  await writeFile(folder.file(entry), program);
  expect(await filesBelow(folder.path)).toContain(entry);
}

/** The npm package `node`, as it lies in node_modules. */
async function suppliedNode(folder: ScratchFolder): Promise<void> {
  await mkdir(folder.file('node_modules/node/bin'), { recursive: true });
  await writeFile(folder.file('node_modules/node/package.json'), JSON.stringify({ version: process.versions.node }));
  await symlink(process.execPath, folder.file('node_modules/node/bin/node'));
}

function startOnOldNode(folder: ScratchFolder, args: string[], input: string, searchPath = '') {
  return startProgram(oldNode ?? '', [folder.file('bin/diarist'), ...args], {
    // No home: version managers of this machine do not count.
    env: { PATH: searchPath, HOME: folder.path, NVM_DIR: undefined },
    stdin: Readable.from([input]),
  });
}

function findOldNode(): string | undefined {
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, 'node'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        const version = execFileSync(file, ['-p', 'process.versions.node'], { encoding: 'utf8' });
        const [major = 0, minor = 0] = version.split('.').map(Number);
        return major < 22 || (major === 22 && minor < 18);
      } catch {
        return false;
      }
    });
}
