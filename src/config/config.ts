import { homedir, totalmem } from 'node:os';
import { DiaristError } from '../core/errors.ts';
import { type ConfigFile, readConfigFile } from './config-file.ts';
import type { Machine } from './folders.ts';
import { REFERENCE_VARIABLES } from './reference-variables.ts';
import type { Setting } from './settings/setting.ts';
import { SETTINGS, type SettingName, type Settings } from './settings.ts';

/** Where a value came from. */
export type Origin = 'default' | 'file' | 'environment' | 'flag';

/** The configuration of one run of the program, read once at its start. */
export interface Config {
  readonly settings: Settings;
  readonly origins: Readonly<Record<SettingName, Origin>>;
  /** The flag, variable or key that each value came from, as the person wrote it; absent for defaults. */
  readonly sources: { readonly [Name in SettingName]?: string };
  /** What a person should know of how their configuration was understood. */
  readonly notes: readonly string[];
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
  /** Path of the configuration file; else that of `DIARIST_CONFIG`, else `./diarist.yaml` where there is one. */
  readonly file?: string;
  /** Reads the variables of the servers that Diarist stands in for, too. */
  readonly server?: boolean;
  /** Defaults to the environment of this process. */
  readonly environment?: Readonly<NodeJS.ProcessEnv>;
  readonly machine?: Partial<Omit<Machine, 'environment'>>;
}

/** Variables of the project that are no settings: read by its launcher, its model store and its tests. */
const OTHER_VARIABLES = /^DIARIST_(CONFIG$|LAUNCHED_BY$|SHARED_CACHE$|TEST_|BENCH_)/;

/**
 * Reads every setting from flags, then the environment, then the configuration file, then its default. An empty variable
 * counts as not set. Throws `usage` for a wrong flag and `invalid_configuration` for a wrong variable or file, naming it
 * and what it may be.
 */
export function loadConfig(sources: ConfigSources = {}): Config {
  const environment: Readonly<NodeJS.ProcessEnv> = Object.freeze({ ...(sources.environment ?? process.env) });
  const machine: Machine = {
    platform: process.platform,
    home: homedir(),
    memoryBytes: usableMemory(),
    isServer: sources.server === true,
    ...sources.machine,
    environment,
  };
  const file = readConfigFile(sources.file ?? (environment.DIARIST_CONFIG || undefined), Object.values(KEYS));
  const notes: string[] = [];
  const reference = sources.server === true ? referenceValues(environment, notes) : new Map<SettingName, Found>();
  const values: Partial<Record<SettingName, unknown>> = {};
  const origins: Partial<Record<SettingName, Origin>> = {};
  const named: { [Name in SettingName]?: string } = {};
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const definition: Setting<unknown> = SETTINGS[name];
    const found =
      fromFlag(name, definition, sources.flags) ??
      fromVariable(definition, environment) ??
      reference.get(name) ??
      fromFile(name, file);
    values[name] = found === undefined ? definition.fallback(machine) : read(definition, found);
    origins[name] = found?.origin ?? 'default';
    if (found !== undefined) named[name] = found.source;
  }
  return {
    // Every name of SETTINGS was just set by the setting of that name.
    settings: values as unknown as Settings,
    origins: origins as Record<SettingName, Origin>,
    sources: named,
    notes,
    unknownVariables: unknownVariables(environment),
    environment,
  };
}

/** The text of a setting and where it stands. */
interface Found {
  readonly text: string;
  readonly origin: Origin;
  readonly source: string;
}

/** Keys of the configuration file: `DIARIST_QUEUE_LIMIT` is `queue_limit`. */
export const KEYS = Object.fromEntries(
  Object.entries(SETTINGS).map(([name, { variable }]) => [name, variable.replace('DIARIST_', '').toLowerCase()]),
) as Readonly<Record<SettingName, string>>;

function fromFlag(name: SettingName, definition: Setting<unknown>, flags: ConfigSources['flags']): Found | undefined {
  const text = flags?.[name];
  return text === undefined ? undefined : { text, origin: 'flag', source: definition.flag ?? name };
}

function fromVariable({ variable }: Setting<unknown>, environment: Readonly<NodeJS.ProcessEnv>): Found | undefined {
  const text = environment[variable];
  return text === undefined || text === '' ? undefined : { text, origin: 'environment', source: variable };
}

function fromFile(name: SettingName, file: ConfigFile | undefined): Found | undefined {
  const text = file?.values.get(KEYS[name]);
  return text === undefined ? undefined : { text, origin: 'file', source: `${KEYS[name]} in ${file?.path}` };
}

/** What the variables of other servers say. One that makes no sense here is told, and no reason not to start. */
function referenceValues(environment: Readonly<NodeJS.ProcessEnv>, notes: string[]): Map<SettingName, Found> {
  const found = new Map<SettingName, Found>();
  for (const { variable, setting, translate } of REFERENCE_VARIABLES) {
    const given = environment[variable]?.trim();
    if (given === undefined || given === '' || found.has(setting)) continue;
    const { text, note } = translate(given);
    if (note !== undefined) notes.push(`${variable}: ${note}.`);
    const { kind }: Setting<unknown> = SETTINGS[setting];
    if (text === undefined || kind.read(text) === undefined) {
      notes.push(`${variable} is passed over: it must be ${kind.expected}, not "${given}".`);
    } else found.set(setting, { text, origin: 'environment', source: variable });
  }
  return found;
}

/** Throws `usage` where a flag is wrong, `invalid_configuration` where a variable or the file is. */
function read<T>(definition: Setting<T>, { text, origin, source }: Found): T {
  const value = definition.kind.read(text);
  if (value === undefined) {
    const shown = definition.secret === true ? '' : `, not "${text}"`;
    throw new DiaristError(
      origin === 'flag' ? 'usage' : 'invalid_configuration',
      `${source} must be ${definition.kind.expected}${shown}.`,
    );
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
