import type { Command } from 'commander';
import { type Config, type ConfigSources, KEYS, loadConfig, type Origin } from '../config/config.ts';
import type { Setting } from '../config/settings/setting.ts';
import { SETTINGS, type SettingName } from '../config/settings.ts';
import { columns } from './columns.ts';
import { writeToStandardOutput } from './standard-output.ts';

interface ConfigFlags {
  readonly config?: string;
  readonly json?: boolean;
}

/** One setting as it is in force. */
interface EffectiveSetting {
  readonly key: string;
  readonly value: unknown;
  readonly origin: Origin;
  /** Flag, variable or key of the file that set it. */
  readonly source: string | null;
  readonly variable: string;
  readonly meaning: string;
}

/** Adds `diarist config` to the program: what the server would start with, and why. */
export function registerConfig(program: Command): void {
  program
    .command('config')
    .description('print every setting as the server would have it, and where its value comes from')
    .option('-c, --config <file>', 'settings in YAML (default: DIARIST_CONFIG, or ./diarist.yaml)')
    .option('--json', 'print JSON')
    .action(async ({ config: file, json }: ConfigFlags) => {
      const sources: ConfigSources = { server: true, ...(file !== undefined && { file }) };
      const config = loadConfig(sources);
      const settings = effectiveSettings(config);
      await writeToStandardOutput(
        json === true
          ? `${JSON.stringify({ settings, notes: config.notes, unknownVariables: config.unknownVariables }, null, 2)}\n`
          : listing(settings),
      );
      for (const note of config.notes) process.stderr.write(`${note}\n`);
      for (const name of config.unknownVariables) process.stderr.write(`${name} is set, but nothing reads it.\n`);
    });
}

const MASK = '********';

function effectiveSettings(config: Config): readonly EffectiveSetting[] {
  return (Object.keys(SETTINGS) as SettingName[]).sort().map((name) => {
    const { variable, meaning, secret }: Setting<unknown> = SETTINGS[name];
    const value = config.settings[name];
    return {
      key: KEYS[name],
      value: secret === true && value !== '' ? MASK : value,
      origin: config.origins[name],
      source: config.sources[name] ?? null,
      variable,
      meaning,
    };
  });
}

function listing(settings: readonly EffectiveSetting[]): string {
  return columns(settings.map(({ key, value, origin, source }) => [key, shown(value), source ?? origin]));
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ');
  return value === '' ? '-' : String(value);
}
