import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { ffmpegInstallCommand } from '../audio/ffmpeg.ts';
import type { Config } from '../config/config.ts';
import { toDiaristError } from '../core/errors.ts';
import { formatBytes } from '../models/disk-space.ts';
import type { NeededModel } from '../models/needed-models.ts';
import { ModelStore } from '../models/store.ts';
import { prepareFolder } from './outputs.ts';

const run = promisify(execFile);

/** `warning`: works, but less well or not yet; `problem`: a transcription would fail. */
export type CheckStatus = 'ok' | 'warning' | 'problem';

export interface CheckResult {
  readonly name: string;
  readonly status: CheckStatus;
  /** What is the case. */
  readonly finding: string;
  /** What to do about it, where something is to be done. */
  readonly remedy?: string;
}

const OLDEST_NODE = [22, 18] as const;
/** What Whisper base needs with words and speakers (bench/), and some air. */
const COMFORTABLE_MEMORY_BYTES = 2e9;
const LEAST_MEMORY_BYTES = 1e9;
/** Graphs of base, spool of a few hours. */
const COMFORTABLE_DISK_BYTES = 3e9;
const LEAST_DISK_BYTES = 500e6;

export function checkNode(): CheckResult {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  const finding = `${process.versions.node} on ${process.platform} ${process.arch}`;
  return fits
    ? { name: 'Node', status: 'ok', finding }
    : { name: 'Node', status: 'problem', finding, remedy: `install Node ${OLDEST_NODE.join('.')} or newer` };
}

export function checkSettings(config: Config): CheckResult {
  const { unknownVariables, settings } = config;
  if (unknownVariables.length > 0) {
    return {
      name: 'settings',
      status: 'warning',
      finding: `nothing reads ${unknownVariables.join(', ')}`,
      remedy: 'check the spelling, or unset it',
    };
  }
  return { name: 'settings', status: 'ok', finding: `model ${settings.model}, device ${settings.device}` };
}

/** ffmpeg and ffprobe: without them only WAV files can be read. */
export async function checkFfmpeg(environment: Readonly<NodeJS.ProcessEnv>): Promise<CheckResult> {
  const versions: string[] = [];
  for (const program of ['ffmpeg', 'ffprobe']) {
    try {
      const { stdout } = await run(program, ['-hide_banner', '-version'], { env: { ...environment }, timeout: 10_000 });
      versions.push(/version (\S+)/.exec(stdout)?.[1] ?? 'of unknown version');
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      return {
        name: 'ffmpeg',
        status: 'problem',
        finding: `${program} ${missing ? 'is missing' : 'does not run'}: only WAV files can be read`,
        remedy: ffmpegInstallCommand(),
      };
    }
  }
  return { name: 'ffmpeg', status: 'ok', finding: versions[0]! };
}

/** The runtime of the models, and the device that a transcription would use. */
export async function checkInference(config: Config): Promise<CheckResult> {
  const name = 'inference';
  try {
    const { chooseProvider } = await import('../inference/devices.ts');
    const { provider, note } = await chooseProvider(config.settings.device);
    const finding = `onnxruntime works on ${provider}`;
    if (note === undefined) return { name, status: 'ok', finding };
    return { name, status: 'warning', finding: `${finding}; ${note}`, remedy: 'nothing has to be done' };
  } catch (error) {
    const failure = toDiaristError(error);
    const remedy =
      failure.code === 'device_unavailable'
        ? 'use --device cpu, or unset DIARIST_DEVICE'
        : 'install the package again; on Alpine Linux use an image with glibc';
    return { name, status: 'problem', finding: failure.message.split('\n')[0]!, remedy };
  }
}

/** What of the CPU decides the speed of int8 inference. */
export function checkCpu(cpuinfo: string = readOrEmpty('/proc/cpuinfo')): CheckResult {
  const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(/\s+/) ?? []);
  const useful = ['avx2', 'avx_vnni', 'avx512_vnni', 'amx_int8', 'asimddp', 'i8mm'].filter((flag) => flags.has(flag));
  const cores = `${availableParallelism()} ${availableParallelism() === 1 ? 'thread' : 'threads'}`;
  const finding = [cpus()[0]?.model.trim() || process.arch, cores, ...useful].join(', ');
  const lacksAvx2 = process.arch === 'x64' && flags.size > 0 && !flags.has('avx2');
  return lacksAvx2
    ? { name: 'CPU', status: 'warning', finding: `${finding}; no avx2`, remedy: 'expect it to be several times slower' }
    : { name: 'CPU', status: 'ok', finding };
}

export function checkMemory(config: Config, availableBytes: number = availableMemory()): CheckResult {
  const limit = config.settings.memoryLimitBytes;
  const usable = limit > 0 ? Math.min(limit, availableBytes) : availableBytes;
  const finding = `${formatBytes(availableBytes)} free of ${formatBytes(totalmem())}${
    limit > 0 ? `, the engine may take ${formatBytes(limit)}` : ''
  }`;
  const name = 'memory';
  if (usable >= COMFORTABLE_MEMORY_BYTES) return { name, status: 'ok', finding };
  const remedy = 'end other programs, use --model tiny or --threads 1, or raise DIARIST_MEMORY_LIMIT where it is set';
  return { name, status: usable >= LEAST_MEMORY_BYTES ? 'warning' : 'problem', finding, remedy };
}

/** A folder of ours: that it can be written to, and that its disk has room. */
export async function checkFolder(name: string, folder: string, variable: string): Promise<CheckResult> {
  const remedy = `make it writable, or name another folder in ${variable}`;
  try {
    await prepareFolder(folder);
  } catch {
    return { name, status: 'problem', finding: `${folder} cannot be written to`, remedy };
  }
  const { bavail, bsize } = await statfs(existsSync(folder) ? folder : dirname(folder));
  const free = bavail * bsize;
  const finding = `${folder}, ${formatBytes(free)} free`;
  if (free >= COMFORTABLE_DISK_BYTES) return { name, status: 'ok', finding };
  const status = free >= LEAST_DISK_BYTES ? 'warning' : 'problem';
  return { name, status, finding, remedy: `free some space, or name a folder on a larger disk in ${variable}` };
}

/**
 * The models of a transcription with speakers. One that is not here yet is fetched at first use; without an optional one
 * there are words, but no speakers.
 */
export async function checkModel(config: Config, { name: reference, optional }: NeededModel): Promise<CheckResult> {
  const { cacheDir } = config.settings;
  const store = new ModelStore({ cacheDir, env: config.environment });
  const name = `model ${reference}`;
  try {
    const found = await store.find(reference);
    if (found !== null) return { name, status: 'ok', finding: found.dir };
    const offline = config.environment.HF_HUB_OFFLINE;
    const forbidden = offline !== undefined && !['', '0', 'false', 'no', 'off'].includes(offline.toLowerCase());
    return {
      name,
      status: forbidden && !optional ? 'problem' : 'warning',
      finding: forbidden
        ? `not on this machine, and HF_HUB_OFFLINE is set${optional ? WITHOUT_SPEAKERS : ''}`
        : 'not on this machine yet',
      remedy: `run "diarist models pull ${reference}"${forbidden ? ' without it' : ', or wait for the first transcription to fetch it'}`,
    };
  } catch (error) {
    const failure = toDiaristError(error);
    const remedy = failure.code === 'unknown_model' ? 'give another --model or DIARIST_MODEL' : 'see the message';
    if (!optional) return { name, status: 'problem', finding: failure.message, remedy };
    return { name, status: 'warning', finding: `${failure.message}${WITHOUT_SPEAKERS}`, remedy };
  }
}

const WITHOUT_SPEAKERS = ' (transcripts will have no speakers)';

/** Memory that programs can still get, in bytes; what the kernel can drop counts as free. */
function availableMemory(): number {
  const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(readOrEmpty('/proc/meminfo'))?.[1];
  return Math.min(kilobytes === undefined ? freemem() : Number(kilobytes) * 1024, process.availableMemory());
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
