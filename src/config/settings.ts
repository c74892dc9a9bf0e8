import { defaultCacheFolder, defaultDataFolder } from './folders.ts';
import { SERVER_SETTINGS } from './settings/server.ts';
import { type Setting, setting } from './settings/setting.ts';
import { byteSize, duration, folder, hostList, oneOf, seconds, text, wholeNumber } from './value-kinds.ts';

/**
 * The share of the machine's memory that the engine may take before it is ended. Below 1, so that it is ended with a
 * sentence that helps rather than by the kernel without one.
 */
const DEFAULT_MEMORY_SHARE = 0.85;

/**
 * A day. Silence compresses ten thousandfold, so that an upload within its limit of bytes could fill the disk when it is
 * decoded.
 */
const LONGEST_UPLOAD_SECONDS = 24 * 3600;

/** Every setting of the program: the one schema for file, environment and flags. */
export const SETTINGS = {
  ...SERVER_SETTINGS,
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
    meaning: 'inference threads (0: as many as there are logical processors)',
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
  maxEngines: setting({
    variable: 'DIARIST_MAX_ENGINES',
    meaning: 'models that are held in memory at once (0: as many as DIARIST_MEMORY_LIMIT has room for)',
    kind: wholeNumber(0, 64),
    fallback: () => 0,
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
    meaning: 'longest recording that is accepted (0: any; default 86400 for the server, else 0)',
    kind: seconds(0),
    fallback: ({ isServer }) => (isServer === true ? LONGEST_UPLOAD_SECONDS : 0),
  }),
  maxInputBytes: setting({
    variable: 'DIARIST_MAX_INPUT_SIZE',
    meaning: 'most bytes that are read from a URL or standard input',
    kind: byteSize,
    fallback: () => 10e9,
  }),
  allowedHosts: setting({
    variable: 'DIARIST_ALLOWED_HOSTS',
    meaning:
      'hosts in this network that webhooks and URLs of clients may name: names, addresses or ranges such as 10.0.0.0/8, separated by commas',
    kind: hostList,
    fallback: () => [],
  }),
  queueLimit: setting({
    variable: 'DIARIST_QUEUE_LIMIT',
    meaning: 'jobs that may wait in the queue',
    kind: wholeNumber(1, 100_000),
    fallback: () => 256,
  }),
  maxRunningJobs: setting({
    variable: 'DIARIST_MAX_RUNNING',
    meaning:
      'jobs that run at once and share the engine; at most 4 of them are long, and a quarter is for dictations alone',
    kind: wholeNumber(1, 256),
    fallback: () => 16,
  }),
  maxAttempts: setting({
    variable: 'DIARIST_MAX_ATTEMPTS',
    meaning: 'crashes of the engine without progress after which a job has failed',
    kind: wholeNumber(1, 100),
    fallback: () => 5,
  }),
  hangupGraceSeconds: setting({
    variable: 'DIARIST_HANGUP_GRACE_SECONDS',
    meaning: 'time in which a caller who hung up may come back before its job is cancelled',
    kind: seconds(0),
    fallback: () => 30,
  }),
  resultTtlSeconds: setting({
    variable: 'DIARIST_RESULT_TTL',
    meaning: 'time in which the same bytes with the same options get the stored result (0: never)',
    kind: duration(0),
    fallback: () => 24 * 3600,
  }),
  keepUploadsSeconds: setting({
    variable: 'DIARIST_KEEP_UPLOADS',
    meaning: 'time that a recording is kept after the end of its job, to run it again (0: not at all)',
    kind: duration(0),
    fallback: () => 24 * 3600,
  }),
  keepResultsSeconds: setting({
    variable: 'DIARIST_KEEP_RESULTS',
    meaning: 'time that a job and its transcript are kept after its end',
    kind: duration(60),
    fallback: () => 30 * 24 * 3600,
  }),
  webhookSecret: setting({
    variable: 'DIARIST_WEBHOOK_SECRET',
    meaning:
      'secret (whsec_…) that signs webhooks which name none (default: made at the first start, in the data folder)',
    kind: text,
    secret: true,
    fallback: () => '',
  }),
  webhookAttempts: setting({
    variable: 'DIARIST_WEBHOOK_ATTEMPTS',
    meaning: 'times that a webhook is tried, over up to 75 hours',
    kind: wholeNumber(1, 10),
    fallback: () => 10,
  }),
  webhookTimeoutSeconds: setting({
    variable: 'DIARIST_WEBHOOK_TIMEOUT_SECONDS',
    meaning: 'longest time that one try of a webhook may take',
    kind: seconds(1),
    fallback: () => 20,
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
