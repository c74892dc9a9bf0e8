// Finds programs that npm cannot supply (ffmpeg) and installs them where that is allowed without asking anyone.
// Runs before anything is installed: Node >= 18, nothing but node: imports.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { runQuietly } from './dependencies.mjs';

/** Package managers by preference; `needsRoot` where an installation changes the whole system. */
const PACKAGE_MANAGERS = [
  {
    program: 'apt-get',
    needsRoot: true,
    update: ['update', '-qq'],
    install: ['install', '-y', '-qq', '--no-install-recommends'],
    names: { pip3: 'python3-pip' },
  },
  { program: 'brew', needsRoot: false, install: ['install', '--quiet'], names: {} },
  { program: 'dnf', needsRoot: true, install: ['install', '-y', '-q'], names: { ffmpeg: 'ffmpeg-free' } },
  { program: 'pacman', needsRoot: true, install: ['-S', '--noconfirm', '--needed'], names: {} },
  { program: 'winget', needsRoot: false, install: ['install', '-e'], names: { ffmpeg: 'Gyan.FFmpeg' }, manual: true },
];

/** @param {string} program @returns {string | undefined} where it stands on the PATH */
export function findProgram(program) {
  const names = process.platform === 'win32' ? [`${program}.exe`, `${program}.cmd`] : [program];
  for (const directory of (process.env.PATH ?? '').split(path.delimiter).filter(Boolean)) {
    for (const name of names) {
      const file = path.join(directory, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {}
    }
  }
  return undefined;
}

/** @param {string[]} programs */
export const missingPrograms = (programs) => programs.filter((program) => !findProgram(program));

/**
 * Installs programs when that needs no password and no answer.
 * @param {string[]} programs names of the program and, unless the package manager's table says otherwise, its package
 * @returns {Promise<{ missing: string[], command: string | undefined }>} what is still missing, and the one command
 *   that a person can run to get it (undefined where no package manager is known)
 */
export async function installPrograms(programs) {
  const missing = missingPrograms(programs);
  const packageManager = PACKAGE_MANAGERS.find(({ program }) => findProgram(program));
  if (missing.length === 0 || !packageManager) return { missing, command: undefined };

  const packages = missing.map((name) => packageManager.names[name] ?? name);
  const command = [
    packageManager.program,
    ...packageManager.install.filter((flag) => !flag.startsWith('-q')),
    ...packages,
  ];
  const isRoot = process.getuid?.() === 0;
  const prefix = packageManager.needsRoot && !isRoot ? ['sudo'] : [];
  const mayInstall = !packageManager.manual && (prefix.length === 0 || sudoAsksNothing());
  if (mayInstall) {
    const unattended = { DEBIAN_FRONTEND: 'noninteractive', HOMEBREW_NO_AUTO_UPDATE: '1', NONINTERACTIVE: '1' };
    const program = prefix.length > 0 ? ['sudo', '-n', packageManager.program] : [packageManager.program];
    if (packageManager.update) await runQuietly(program, packageManager.update, unattended);
    await runQuietly(program, [...packageManager.install, ...packages], unattended);
  }
  return { missing: missingPrograms(programs), command: [...prefix, ...command].join(' ') };
}

function sudoAsksNothing() {
  return Boolean(findProgram('sudo')) && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0;
}
