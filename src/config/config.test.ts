import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiaristError } from '../core/errors.ts';
import { loadConfig } from './config.ts';
import { SETTINGS } from './settings.ts';
import { byteSize, duration, hostList, hostNames } from './value-kinds.ts';

const linux = { platform: 'linux', home: '/home/ana', memoryBytes: 1000 } as const;

function failure(run: () => unknown): DiaristError {
  try {
    run();
  } catch (error) {
    if (error instanceof DiaristError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('loadConfig', () => {
  it('takes defaults, then the environment, then flags, and remembers which', () => {
    const config = loadConfig({
      environment: { DIARIST_MODEL: 'small', DIARIST_THREADS: '4', DIARIST_DEVICE: '' },
      flags: { model: 'tiny', batchSize: undefined },
      machine: linux,
    });
    expect(config.settings).toMatchObject({ model: 'tiny', threads: 4, device: 'auto', batchSize: 0 });
    expect(config.origins).toMatchObject({
      model: 'flag',
      threads: 'environment',
      device: 'default',
      batchSize: 'default',
    });
    expect(config.settings.memoryLimitBytes).toBe(850);
  });

  it('holds recordings to a day for the server, which strangers may send them to', () => {
    const longest = (server: boolean, environment: NodeJS.ProcessEnv = {}) =>
      loadConfig({ environment, machine: linux, server }).settings.maxInputSeconds;
    expect([longest(false), longest(true), longest(true, { DIARIST_MAX_INPUT_SECONDS: '0' })]).toEqual([0, 86_400, 0]);
  });

  it('puts folders where each platform expects them', () => {
    const folders = (environment: NodeJS.ProcessEnv, platform: NodeJS.Platform) => {
      const { cacheDir, dataDir } = loadConfig({ environment, machine: { ...linux, platform } }).settings;
      return [cacheDir, dataDir];
    };
    expect(folders({}, 'linux')).toEqual(['/home/ana/.cache/diarist', '/home/ana/.local/share/diarist']);
    expect(folders({ XDG_CACHE_HOME: '/c', XDG_DATA_HOME: 'relative' }, 'linux')).toEqual([
      '/c/diarist',
      '/home/ana/.local/share/diarist',
    ]);
    expect(folders({}, 'darwin')).toEqual([
      '/home/ana/Library/Caches/diarist',
      '/home/ana/Library/Application Support/diarist',
    ]);
    expect(folders({ LOCALAPPDATA: '/local' }, 'win32')).toEqual(['/local/diarist/Cache', '/local/diarist/Data']);
    expect(folders({ DIARIST_CACHE: 'here', DIARIST_DATA: '/there' }, 'linux')).toEqual([
      join(process.cwd(), 'here'),
      '/there',
    ]);
  });

  it('says in one sentence which variable or flag is wrong and what it may be', () => {
    const wrongVariable = failure(() => loadConfig({ environment: { DIARIST_THREADS: 'many' } }));
    expect(wrongVariable.code).toBe('invalid_configuration');
    expect(wrongVariable.message).toBe('DIARIST_THREADS must be a whole number from 0 to 1024, not "many".');
    const wrongFlag = failure(() => loadConfig({ environment: {}, flags: { device: 'gpu' } }));
    expect(wrongFlag.code).toBe('usage');
    expect(wrongFlag.message).toBe('--device must be one of auto, cpu, cuda, webgpu, coreml, not "gpu".');
  });

  it('refuses nonsense for every setting that is not a free text', () => {
    for (const definition of Object.values(SETTINGS)) {
      if (/^some texts?|folder|^names of hosts/.test(definition.kind.expected)) continue;
      for (const nonsense of ['-1', 'NaN', '1e3', 'x y z']) {
        const error = failure(() => loadConfig({ environment: { [definition.variable]: nonsense } }));
        expect(error.message, nonsense).toContain(definition.variable);
      }
    }
  });

  it('keeps what others read, and names variables that nobody reads', () => {
    const config = loadConfig({
      environment: { HF_TOKEN: 'secret', DIARIST_CAHCE: '/x', DIARIST_TEST_DATA: '/y' },
      machine: linux,
    });
    expect(config.environment.HF_TOKEN).toBe('secret');
    expect(config.unknownVariables).toEqual(['DIARIST_CAHCE']);
  });
});

describe('the configuration file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'diarist-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const file = (text: string): string => {
    writeFileSync(join(folder, 'diarist.yaml'), text);
    return join(folder, 'diarist.yaml');
  };

  it('stands below variables and flags, and takes numbers, switches and lists', () => {
    const path = file(
      'port: 9100\nmodel: tiny\nqueue_limit: 7\nopen_docs: no\npreload_models: [a, b]\ncors_origins: []\nhost:\n',
    );
    const config = loadConfig({
      environment: { DIARIST_CONFIG: path, DIARIST_MODEL: 'small' },
      flags: { queueLimit: '9' },
      machine: linux,
    });
    expect(config.settings).toMatchObject({
      ...{ port: 9100, model: 'small', queueLimit: 9, openDocs: false, preloadModels: ['a', 'b'], corsOrigins: [] },
      host: '127.0.0.1',
    });
    expect(config.origins).toMatchObject({ port: 'file', model: 'environment', queueLimit: 'flag', host: 'default' });
    expect(config.sources.port).toBe(`port in ${path}`);
  });

  it('is refused in one sentence where it is wrong', () => {
    const message = (text: string): string => failure(() => loadConfig({ environment: {}, file: file(text) })).message;
    expect(message('quque_limit: 3')).toContain('unknown setting "quque_limit": did you mean queue_limit?');
    expect(message('port: many')).toMatch(
      /^port in .*diarist.yaml must be a whole number from 0 to 65535, not "many"\.$/,
    );
    expect(message('port: {a: 1}')).toContain('must be a single value or a list');
    expect(message('- port')).toContain('must be a mapping');
    expect(message('port: "')).toContain('cannot be read');
    expect(failure(() => loadConfig({ environment: {}, file: '/not/there.yaml' })).message).toContain('is not there');
  });
});

describe('variables of the reference services', () => {
  const reference = {
    ...{
      WHISPER_MODEL: 'large-v3',
      DEVICE: 'cuda',
      COMPUTE_TYPE: 'float16',
      BATCH_SIZE: '16',
      MAX_FILE_SIZE_MB: '1000',
    },
    ...{ PRELOAD_MODEL: 'large-v3', MODEL_IDLE_TIMEOUT: '0', CACHE_DIR: '/.cache' },
  };

  it('set up the server, and tell where they mean something else', () => {
    const config = loadConfig({ environment: reference, server: true, machine: linux });
    expect(config.settings).toMatchObject({
      ...{ model: 'large-v3', device: 'auto', computeType: 'auto', batchSize: 16, maxUploadBytes: 1000 * 2 ** 20 },
      ...{ preloadModels: ['large-v3'], idleSeconds: 2147483, cacheDir: '/.cache' },
    });
    expect(config.sources).toMatchObject({ model: 'WHISPER_MODEL', computeType: 'COMPUTE_TYPE' });
    expect(config.notes).toHaveLength(2);
  });

  it('stand below our own, mean nothing to other commands, and never stop the start', () => {
    expect(loadConfig({ environment: reference, machine: linux }).settings.model).toBe('base');
    const own = { ...reference, DIARIST_MODEL: 'tiny', BATCH_SIZE: 'lots', PRELOAD_MODEL: '' };
    const config = loadConfig({ environment: own, server: true, machine: linux });
    expect(config.settings).toMatchObject({ model: 'tiny', batchSize: 0, preloadModels: [] });
    expect(config.notes.join(' ')).toContain('BATCH_SIZE is passed over: it must be a whole number from 0 to 256');
  });

  it('make the preloaded model the default one where no other is named', () => {
    const config = loadConfig({ environment: { PRELOAD_MODEL: 'medium' }, server: true, machine: linux });
    expect(config.settings).toMatchObject({ model: 'medium', preloadModels: ['medium'] });
  });
});

describe('byteSize', () => {
  it('reads sizes as people write them', () => {
    const read = (text: string) => byteSize.read(text);
    expect(['1500MB', '2 GiB', '1.5g', '42', 'none', '0'].map(read)).toEqual([1.5e9, 2 ** 31, 1.5e9, 42, 0, 0]);
    expect(['MB', '-1', '1 elephant', '', '1..5G'].map(read)).toEqual(Array(5).fill(undefined));
  });

  it('never yields a negative or broken number', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const bytes = byteSize.read(text);
        expect(bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0)).toBe(true);
      }),
    );
  });
});

describe('duration', () => {
  it('reads times as people write them', () => {
    const read = (text: string) => duration(60).read(text);
    expect(['90', '90s', '15m', '1.5 h', '30d'].map(read)).toEqual([90, 90, 900, 5400, 2_592_000]);
    expect(['59', '1w', '-5m', 'h', ''].map(read)).toEqual(Array(5).fill(undefined));
  });
});

describe('hostList', () => {
  it('reads names, addresses and ranges, and nothing else', () => {
    expect(hostList.read('NAS.local, 10.0.0.0/8,::1,fd00::/8')).toEqual(['nas.local', '10.0.0.0/8', '::1', 'fd00::/8']);
    expect(hostList.read('none')).toEqual([]);
    for (const wrong of ['http://nas', 'nas;rm', '-nas', 'a b', 'nas,']) expect(hostList.read(wrong)).toBeUndefined();
  });
});

describe('hostNames', () => {
  it('reads names without port or scheme', () => {
    expect(hostNames.read('Speech.example.org, nas')).toEqual(['speech.example.org', 'nas']);
    expect(hostNames.read('none')).toEqual([]);
    for (const wrong of ['https://a.example', 'a.example:443', '10.0.0.0/8', 'a,', '*.example']) {
      expect(hostNames.read(wrong), wrong).toBeUndefined();
    }
  });
});
