import { byteSize, flag, hostNames, seconds, text, textList, wholeNumber } from '../value-kinds.ts';
import { setting } from './setting.ts';

/** Settings of `diarist serve`. */
export const SERVER_SETTINGS = {
  host: setting({
    variable: 'DIARIST_HOST',
    flag: '--host',
    meaning: 'address that the server listens on; beyond 127.0.0.1 it needs API keys or --allow-anonymous',
    kind: text,
    fallback: () => '127.0.0.1',
  }),
  port: setting({
    variable: 'DIARIST_PORT',
    flag: '--port',
    meaning: 'port that the server listens on (0: any free one)',
    kind: wholeNumber(0, 65_535),
    fallback: () => 9000,
  }),
  allowAnonymous: setting({
    variable: 'DIARIST_ALLOW_ANONYMOUS',
    flag: '--allow-anonymous',
    meaning: 'lets callers without an API key in, whatever address the server listens on',
    kind: flag,
    fallback: () => false,
  }),
  openDiscovery: setting({
    variable: 'DIARIST_OPEN_DISCOVERY',
    meaning: 'lists of models and voices need no API key (Open WebUI asks without one)',
    kind: flag,
    fallback: () => true,
  }),
  openMetrics: setting({
    variable: 'DIARIST_OPEN_METRICS',
    meaning: '/metrics needs no API key',
    kind: flag,
    fallback: () => false,
  }),
  openDocs: setting({
    variable: 'DIARIST_OPEN_DOCS',
    meaning: '/docs and /openapi.json need no API key',
    kind: flag,
    fallback: () => true,
  }),
  corsOrigins: setting({
    variable: 'DIARIST_CORS_ORIGINS',
    meaning: 'origins of web pages that may call the server, separated by commas, or * (default: none)',
    kind: textList,
    fallback: () => [],
  }),
  publicHosts: setting({
    variable: 'DIARIST_PUBLIC_HOSTS',
    meaning:
      'names under which a server without API keys is called, beside those of its own machine, separated by commas',
    kind: hostNames,
    fallback: () => [],
  }),
  preloadModels: setting({
    variable: 'DIARIST_PRELOAD_MODELS',
    meaning: 'models that are fetched and loaded at the start of the server, separated by commas',
    kind: textList,
    fallback: () => [],
  }),
  fetchModels: setting({
    variable: 'DIARIST_FETCH_MODELS',
    meaning: 'the server fetches models that it needs and that are missing',
    kind: flag,
    fallback: () => true,
  }),
  maxUploadBytes: setting({
    variable: 'DIARIST_MAX_UPLOAD_SIZE',
    meaning: 'largest recording that the server receives (none: any)',
    kind: byteSize,
    fallback: () => 2048 * 2 ** 20,
  }),
  maxFieldBytes: setting({
    variable: 'DIARIST_MAX_FIELD_SIZE',
    meaning: 'largest text field of a request',
    kind: byteSize,
    fallback: () => 4 * 2 ** 20,
  }),
  maxFields: setting({
    variable: 'DIARIST_MAX_FIELDS',
    meaning: 'most fields that a request may have',
    kind: wholeNumber(1, 10_000),
    fallback: () => 256,
  }),
  maxHeaderBytes: setting({
    variable: 'DIARIST_MAX_HEADER_SIZE',
    meaning: 'most bytes of all headers of a request',
    kind: byteSize,
    fallback: () => 32 * 2 ** 10,
  }),
  uploadTimeoutSeconds: setting({
    variable: 'DIARIST_UPLOAD_TIMEOUT_SECONDS',
    meaning: 'longest time that a client may take to send its request (0: any)',
    kind: seconds(0),
    fallback: () => 3600,
  }),
  shutdownSeconds: setting({
    variable: 'DIARIST_SHUTDOWN_SECONDS',
    meaning: 'time in which running jobs may finish when the server is stopped; the rest goes on at the next start',
    kind: seconds(0),
    fallback: () => 30,
  }),
} as const;
