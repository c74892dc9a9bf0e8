import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const INSTALL_MS = 240_000;

/** The program of a virtual environment, or why there is none. */
export type Python = { readonly python: string } | { readonly missing: string };

/**
 * A virtual environment with what a requirements file names, made by the first test that wants it and kept in the cache
 * folder under the hash of that file. `minimum` is the oldest Python that will do, as `3.12`.
 */
export async function pythonEnvironment(requirements: string, minimum = '3.9'): Promise<Python> {
  const text = await readFile(requirements, 'utf8');
  const name = path.basename(requirements, '.txt');
  const hash = createHash('sha256').update(`${text} ${minimum}`).digest('hex').slice(0, 12);
  const folder = path.join(cacheFolder(), 'test-python', `${name}-${hash}`);
  const python = path.join(folder, 'bin', 'python');
  const complete = path.join(folder, 'complete');
  if (existsSync(complete)) return { python };
  const base = await findPython(minimum);
  if (base === undefined) return { missing: `no Python ${minimum} or newer with venv was found` };
  // A folder of its own: two test files may want the same one at once, and a half-made one must not be found.
  const draft = `${folder}.${process.pid}`;
  try {
    await mkdir(path.dirname(folder), { recursive: true });
    await run(base, ['-m', 'venv', draft], { timeout: INSTALL_MS });
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
    await run(path.join(draft, 'bin', 'python'), pip, { timeout: INSTALL_MS });
    await writeFile(path.join(draft, 'complete'), '');
    // Only the scripts in bin name the folder; programs are started as modules.
    await rename(draft, folder).catch((error: unknown) => {
      if (!existsSync(complete)) throw error;
    });
    return { python };
  } catch (error) {
    const said = String((error as { stderr?: string }).stderr ?? error).trim();
    return { missing: `pip could not install ${name}: ${said.split('\n').at(-1)}` };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

function cacheFolder(): string {
  return (
    process.env.DIARIST_CACHE ?? path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'diarist')
  );
}

/** Looks on the PATH, and among the versions that pyenv keeps beside it. */
async function findPython(minimum: string): Promise<string | undefined> {
  const kept = path.join(process.env.PYENV_ROOT ?? path.join(homedir(), '.pyenv'), 'versions');
  const versions = await readdir(kept).catch(() => []);
  const candidates = ['python3', ...versions.map((version) => path.join(kept, version, 'bin', 'python3'))];
  const [major, minor] = minimum.split('.');
  const probe = `import sys, venv, ensurepip; sys.exit(sys.version_info < (${major}, ${minor}))`;
  for (const candidate of candidates) {
    const fits = await run(candidate, ['-c', probe]).then(
      () => true,
      () => false,
    );
    if (fits) return candidate;
  }
  return undefined;
}
