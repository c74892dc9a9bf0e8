import { homedir, totalmem } from 'node:os';
import { DiaristError } from '../core/errors.ts';
import type { Machine } from './folders.ts';
import type { Setting } from './settings/setting.ts';
import { SETTINGS, type SettingName, type Settings } from './settings.ts';

/** Where a value came from. */
export type Origin = 'default' | 'environment' | 'flag';

/** The configuration of one run of the program, read once at its start. */
export interface Config {
  readonly settings: Settings;
  readonly origins: Readonly<Record<SettingName, Origin>>;
  /** Variables that begin with `DIARIST_` and that nothing reads: most likely misspelt. */
  readonly unknownVariables: readonly string[];
  /**
   * The environment as it was at the start, for what reads variables of its own: the model store (`HF_*`), child
   * processes, the terminal (`NO_COLOR`).
   */
  readonly environment: Readonly<NodeJS.ProcessEnv>;
}

export interface ConfigSources {
  /** Texts of flags, by setting. Absent or undefined means not given. */
  readonly flags?: { readonly [Name in SettingName]?: string | undefined };
  /** Defaults to the environment of this process. */
  readonly environment?: Readonly<NodeJS.ProcessEnv>;
  readonly machine?: Partial<Omit<Machine, 'environment'>>;
}

/** Variables of the project that are no settings: read by its launcher and its tests. */
const OTHER_VARIABLES = /^DIARIST_(LAUNCHED_BY$|TEST_|BENCH_)/;

/**
 * Reads every setting from flags, then the environment, then its default. An empty variable counts as not set.
 * Throws `usage` for a wrong flag and `invalid_configuration` for a wrong variable, naming it and what it may be.
 */
export function loadConfig(sources: ConfigSources = {}): Config {
  const environment: Readonly<NodeJS.ProcessEnv> = Object.freeze({ ...(sources.environment ?? process.env) });
  const machine: Machine = {
    platform: process.platform,
    home: homedir(),
    memoryBytes: usableMemory(),
    ...sources.machine,
    environment,
  };
  const values: Partial<Record<SettingName, unknown>> = {};
  const origins: Partial<Record<SettingName, Origin>> = {};
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const definition: Setting<unknown> = SETTINGS[name];
    const flag = sources.flags?.[name];
    const variable = environment[definition.variable];
    if (flag !== undefined) {
      values[name] = read(definition, definition.flag ?? name, flag, 'usage');
      origins[name] = 'flag';
    } else if (variable !== undefined && variable !== '') {
      values[name] = read(definition, definition.variable, variable, 'invalid_configuration');
      origins[name] = 'environment';
    } else {
      values[name] = definition.fallback(machine);
      origins[name] = 'default';
    }
  }
  return {
    // Every name of SETTINGS was just set by the setting of that name.
    settings: values as unknown as Settings,
    origins: origins as Record<SettingName, Origin>,
    unknownVariables: unknownVariables(environment),
    environment,
  };
}

function read<T>(definition: Setting<T>, name: string, given: string, code: 'usage' | 'invalid_configuration'): T {
  const value = definition.kind.read(given);
  if (value === undefined) {
    throw new DiaristError(code, `${name} must be ${definition.kind.expected}, not "${given}".`);
  }
  return value;
}

function unknownVariables(environment: Readonly<NodeJS.ProcessEnv>): string[] {
  const known = new Set<string>(Object.values(SETTINGS).map((definition) => definition.variable));
  return Object.keys(environment)
    .filter((name) => name.startsWith('DIARIST_') && !known.has(name) && !OTHER_VARIABLES.test(name))
    .sort();
}

/** Bytes that this process may use: a container's limit where it is below the machine's memory. */
function usableMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
