import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/** What the default of a setting may depend on. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  /** Memory that this process may use, in bytes: the container's limit where there is one. */
  readonly memoryBytes: number;
  /** The settings are those of `diarist serve`, which strangers may send things to. */
  readonly isServer?: boolean;
  readonly environment: Readonly<NodeJS.ProcessEnv>;
}

/**
 * Folder of what can be had again (models, graphs): `$XDG_CACHE_HOME/diarist` or `~/.cache/diarist`,
 * `~/Library/Caches/diarist` on macOS, `%LOCALAPPDATA%\diarist\Cache` on Windows.
 */
export function defaultCacheFolder(machine: Machine): string {
  if (machine.platform === 'darwin') return join(machine.home, 'Library', 'Caches', 'diarist');
  if (machine.platform === 'win32') return join(localAppData(machine), 'diarist', 'Cache');
  return join(xdgFolder(machine, 'XDG_CACHE_HOME', '.cache'), 'diarist');
}

/**
 * Folder of what belongs to this installation (spool, jobs): `$XDG_DATA_HOME/diarist` or `~/.local/share/diarist`,
 * `~/Library/Application Support/diarist` on macOS, `%LOCALAPPDATA%\diarist\Data` on Windows.
 */
export function defaultDataFolder(machine: Machine): string {
  if (machine.platform === 'darwin') return join(machine.home, 'Library', 'Application Support', 'diarist');
  if (machine.platform === 'win32') return join(localAppData(machine), 'diarist', 'Data');
  return join(xdgFolder(machine, 'XDG_DATA_HOME', '.local', 'share'), 'diarist');
}

/** The absolute path that a person means: `~` is the home folder, a relative path starts at the working folder. */
export function absoluteFolder(path: string, home: string = homedir()): string {
  if (path === '~') return home;
  if (path.startsWith('~/') || path.startsWith('~\\')) return join(home, path.slice(2));
  return resolve(path);
}

function xdgFolder(machine: Machine, variable: string, ...fallback: string[]): string {
  const given = machine.environment[variable];
  // The XDG specification: a relative path is invalid and is to be ignored.
  return given !== undefined && isAbsolute(given) ? given : join(machine.home, ...fallback);
}

function localAppData(machine: Machine): string {
  return machine.environment.LOCALAPPDATA || join(machine.home, 'AppData', 'Local');
}
