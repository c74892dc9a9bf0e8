import { defaultCacheFolder, defaultDataFolder, type Machine } from './folders.ts';
import { byteSize, folder, oneOf, seconds, text, type ValueKind, wholeNumber } from './value-kinds.ts';

/** One setting: where it may come from, what it means and what it is when nobody says. */
export interface Setting<T> {
  readonly variable: string;
  /** Flag of a command that sets it, where one does. */
  readonly flag?: string;
  /** Completes "NAME: …" in help and in the list of settings. */
  readonly meaning: string;
  readonly kind: ValueKind<T>;
  fallback(machine: Machine): T;
}

function setting<T>(definition: Setting<T>): Setting<T> {
  return definition;
}

/**
 * The share of the machine's memory that the engine may take before it is ended. Below 1, so that it is ended with a
 * sentence that helps rather than by the kernel without one.
 */
const DEFAULT_MEMORY_SHARE = 0.85;

/** Every setting of the program: the one schema for environment and flags. */
export const SETTINGS = {
  cacheDir: setting({
    variable: 'DIARIST_CACHE',
    meaning: 'folder of models and graphs',
    kind: folder,
    fallback: defaultCacheFolder,
  }),
  dataDir: setting({
    variable: 'DIARIST_DATA',
    meaning: 'folder of spool files and jobs',
    kind: folder,
    fallback: defaultDataFolder,
  }),
  model: setting({
    variable: 'DIARIST_MODEL',
    flag: '--model',
    meaning: 'speech recognition model: a name, a folder, or hub:org/name',
    kind: text,
    fallback: () => 'base',
  }),
  device: setting({
    variable: 'DIARIST_DEVICE',
    flag: '--device',
    meaning: 'where inference runs',
    kind: oneOf('auto', 'cpu', 'cuda', 'webgpu', 'coreml'),
    fallback: () => 'auto' as const,
  }),
  computeType: setting({
    variable: 'DIARIST_COMPUTE_TYPE',
    flag: '--compute-type',
    meaning: 'number format of inference (auto: int8 on a CPU, float16 on a GPU)',
    kind: oneOf('auto', 'int8', 'float32', 'float16'),
    fallback: () => 'auto' as const,
  }),
  threads: setting({
    variable: 'DIARIST_THREADS',
    flag: '--threads',
    meaning: 'inference threads (0: as many as there are physical cores)',
    kind: wholeNumber(0, 1024),
    fallback: () => 0,
  }),
  batchSize: setting({
    variable: 'DIARIST_BATCH_SIZE',
    flag: '--batch-size',
    meaning: 'chunks decoded together (0: the engine chooses)',
    kind: wholeNumber(0, 256),
    fallback: () => 0,
  }),
  memoryLimitBytes: setting({
    variable: 'DIARIST_MEMORY_LIMIT',
    meaning: 'memory at which the engine is ended (none: no limit; default 85 % of what this machine or container has)',
    kind: byteSize,
    fallback: (machine) => Math.floor(machine.memoryBytes * DEFAULT_MEMORY_SHARE),
  }),
  idleSeconds: setting({
    variable: 'DIARIST_IDLE_SECONDS',
    meaning: 'time without work after which the engine ends and gives its memory back',
    kind: seconds(0),
    fallback: () => 300,
  }),
  hangSeconds: setting({
    variable: 'DIARIST_HANG_SECONDS',
    meaning: 'time without a sign of life after which the engine is ended (0: never)',
    kind: seconds(0),
    fallback: () => 60,
  }),
  stallSeconds: setting({
    variable: 'DIARIST_STALL_SECONDS',
    meaning: 'time without progress after which the engine is ended (0: never)',
    kind: seconds(0),
    fallback: () => 1800,
  }),
  logLevel: setting({
    variable: 'DIARIST_LOG_LEVEL',
    meaning: 'how much is told on standard error about what the program does',
    kind: oneOf('silent', 'error', 'warn', 'info', 'debug'),
    fallback: () => 'warn' as const,
  }),
  maxInputSeconds: setting({
    variable: 'DIARIST_MAX_INPUT_SECONDS',
    meaning: 'longest recording that is accepted (0: any)',
    kind: seconds(0),
    fallback: () => 0,
  }),
  maxInputBytes: setting({
    variable: 'DIARIST_MAX_INPUT_SIZE',
    meaning: 'most bytes that are read from a URL or standard input',
    kind: byteSize,
    fallback: () => 10e9,
  }),
  urlTimeoutSeconds: setting({
    variable: 'DIARIST_URL_TIMEOUT_SECONDS',
    meaning: 'longest time that fetching a URL may take',
    kind: seconds(1),
    fallback: () => 3600,
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;

/** The values of all settings. Sizes are bytes, times are seconds, folders are absolute paths. */
export type Settings = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never;
};
