import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '../program.ts';
import { scratchFolder } from '../scratch-folder.ts';
import type { DockerEngine } from './docker-engine.ts';

/** What the Dockerfile's own steps, npm's scripts and the running container call. */
const PROGRAMS =
  'sh env cat chmod chown cp cut date echo find grep gzip id ln ls mkdir mv rm sed sleep sort tar test tr uname ffmpeg ffprobe tini'.split(
    ' ',
  );
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

const OFFICIAL = 'node:24-bookworm-slim';

/** The base that the Dockerfile names where one cannot be made here, else one that needs no image registry. */
export async function baseImage(engine: DockerEngine): Promise<string> {
  const missing = PROGRAMS.filter((name) => findProgram(name) === undefined);
  if (process.platform === 'linux' && missing.length === 0) return await makeBaseImage(engine);
  console.log(`The image is built on ${OFFICIAL}, for this machine lacks ${missing.join(', ') || 'Linux'}.`);
  return OFFICIAL;
}

/**
 * Stands in for the official image where no image registry can be reached: this machine's C library, shell, ffmpeg
 * and certificates with everything they link to, and the Node and npm that run the tests. Paths and users are those of
 * the original; apt is missing, so the Dockerfile must find ffmpeg and tini installed. Resolves to the image's name.
 */
async function makeBaseImage(engine: DockerEngine): Promise<string> {
  await using scratch = await scratchFolder();
  const root = scratch.path;
  for (const folder of [
    'etc/ssl/certs',
    'usr/bin',
    'usr/local/bin',
    'usr/local/lib/node_modules',
    'tmp',
    'root',
    'var',
    'home/node',
  ]) {
    mkdirSync(path.join(root, folder), { recursive: true });
  }
  copyTopLevelLinks(root);
  const binaries = PROGRAMS.map((name) => findProgram(name)!);
  for (const binary of binaries) copyInto(root, binary);
  cpSync(process.execPath, path.join(root, 'usr/local/bin/node'));
  copyNpm(root);
  for (const library of librariesOf([...binaries, process.execPath, ...onnxruntimeBinaries()])) copyInto(root, library);

  cpSync(CERTIFICATES, path.join(root, CERTIFICATES), { dereference: true });
  writeFileSync(path.join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n');
  writeFileSync(path.join(root, 'etc/group'), 'root:x:0:\nnode:x:1000:\n');
  writeFileSync(path.join(root, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n');

  const registry = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim();
  const archive = scratch.file('base.tar');
  execFileSync('tar', ['-C', root, '--exclude=./base.tar', '-cf', archive, '.']);
  const environment = [
    'PATH=/usr/local/bin:/usr/bin:/bin',
    `NODE_EXTRA_CA_CERTS=${CERTIFICATES}`,
    `npm_config_registry=${registry}`,
  ];
  const image = engine.imageName('base');
  await engine.docker('import', ...environment.map((variable) => `--change=ENV ${variable}`), archive, image);
  return image;
}

/** `/bin -> usr/bin` and the like, where this machine has them. */
function copyTopLevelLinks(root: string): void {
  for (const name of readdirSync('/')) {
    if (!/^(bin|sbin|lib.*)$/.test(name) || !lstatSync(`/${name}`).isSymbolicLink()) continue;
    const target = path.relative('/', realpathSync(`/${name}`));
    mkdirSync(path.join(root, target), { recursive: true });
    symlinkSync(target, path.join(root, name));
  }
}

/** Copies a file to where it really lies below `root`, under the name it was asked for. */
function copyInto(root: string, file: string): void {
  const target = path.join(root, realpathSync(path.dirname(file)), path.basename(file));
  mkdirSync(path.dirname(target), { recursive: true });
  cpSync(realpathSync(file), target);
}

function copyNpm(root: string): void {
  const npm = path.resolve(realpathSync(findProgram('npm')!), '../..');
  cpSync(npm, path.join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', path.join(root, 'usr/local/bin/npm'));
}

function onnxruntimeBinaries(): string[] {
  const folder = path.join(
    repositoryRoot,
    `node_modules/onnxruntime-node/bin/napi-v6/${process.platform}/${process.arch}`,
  );
  return readdirSync(folder)
    .filter((name) => readFileSync(path.join(folder, name)).subarray(1, 4).toString() === 'ELF')
    .map((name) => path.join(folder, name));
}

/** Shared libraries that programs load, and the loader itself; those of this checkout are not part of a base image. */
function librariesOf(binaries: readonly string[]): Set<string> {
  const output = execFileSync('ldd', [...binaries], { encoding: 'utf8' });
  const libraries = [...output.matchAll(/(?:=> |^\t)(\/\S+) \(0x/gm)].map(([, library]) => library!);
  return new Set(libraries.filter((library) => !library.startsWith(repositoryRoot)));
}

function findProgram(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, name))
    .find((file) => existsSync(file));
}
