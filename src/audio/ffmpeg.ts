import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { DiaristError } from '../core/errors.ts';
import { SAMPLE_RATE } from '../core/units.ts';

/** Programs to start; a name without a slash is looked up in PATH. */
export interface FfmpegTools {
  readonly ffmpeg: string;
  readonly ffprobe: string;
}

export const FFMPEG_FROM_PATH: FfmpegTools = { ffmpeg: 'ffmpeg', ffprobe: 'ffprobe' };

export interface AudioTrack {
  readonly codec: string;
  readonly channels: number;
  readonly sampleRate: number;
  /** What the container states of this track; absent where it does not or only estimates. */
  readonly seconds?: number;
  /** How long after the file's own beginning the track begins: a player shows the picture alone for so long. */
  readonly startSeconds: number;
}

/** What a file holds, before any of it is decoded. */
export interface MediaProbe {
  readonly container: string;
  /** Of the whole file, possibly an estimate; absent where the container does not tell. */
  readonly seconds?: number;
  /** In file order; tracks that cannot be decoded are left out. */
  readonly audioTracks: readonly AudioTrack[];
  readonly hasVideo: boolean;
}

/** Thrown (not shown to people) where the program cannot be started at all. */
export class ProgramMissing extends Error {}

/** Containers that only point to other files or addresses. */
const PLAYLISTS = new Set(['hls', 'applehttp', 'dash', 'concat', 'imf', 'sdp', 'rtsp', 'webm_dash_manifest']);
/** Containers for which ffprobe computes the duration from file size and bit rate. */
const ESTIMATED_DURATION = new Set(['mp3', 'aac', 'ac3', 'eac3', 'amr', 'adts', 'loas', 'mpegts', 'mpeg']);
/** ffprobe takes text and pictures for these; they are no recordings with a picture. */
const STILL_VIDEO = new Set(['ansi', 'mjpeg', 'png', 'bmp', 'gif', 'webp', 'tiff', 'svg']);
const MAX_STDERR = 16_384;
/** Only local files: a crafted playlist must not make the decoder fetch addresses. */
const INPUT_ARGUMENTS = ['-hide_banner', '-loglevel', 'error', '-protocol_whitelist', 'file,pipe'];

/** The one command that installs ffmpeg on this platform. */
export function ffmpegInstallCommand(platform: NodeJS.Platform = process.platform): string {
  if (platform === 'darwin') return 'brew install ffmpeg';
  if (platform === 'win32') return 'winget install ffmpeg';
  return 'sudo apt-get install ffmpeg';
}

/**
 * Reads the container's headers with ffprobe. Throws {@link ProgramMissing}, or `input_undecodable` where the file is no
 * recording.
 */
export async function probeMedia(path: string, tools: FfmpegTools, signal?: AbortSignal): Promise<MediaProbe> {
  const run = startProgram(
    tools.ffprobe,
    [
      ...INPUT_ARGUMENTS,
      '-of',
      'json',
      '-show_entries',
      'format=format_name,duration,start_time:stream=codec_type,codec_name,channels,sample_rate,duration,start_time:stream_disposition=attached_pic',
      `file:${resolve(path)}`,
    ],
    signal,
  );
  const parts: Buffer[] = [];
  for await (const part of run.stdout) parts.push(part as Buffer);
  const exit = await run.finished;
  signal?.throwIfAborted();
  if (exit.signal) throw killedError('ffprobe', path, exit.signal);
  const report = parseReport(Buffer.concat(parts).toString());
  if (exit.code !== 0 || !report) throw undecodable(path, exit.stderr);
  const container = report.format?.format_name ?? '';
  if (container.split(',').some((name) => PLAYLISTS.has(name))) {
    throw new DiaristError(
      'input_undecodable',
      `"${path}" is a playlist (failed to decode audio from it): give the recording that it points to.`,
    );
  }
  const streams = report.streams ?? [];
  const seconds = positive(report.format?.duration);
  return {
    container,
    ...(seconds === undefined ? {} : { seconds }),
    audioTracks: streams
      .filter((stream) => stream.codec_type === 'audio')
      .map((stream) => toTrack(stream, report.format)),
    hasVideo: streams.some(
      (stream) =>
        stream.codec_type === 'video' &&
        stream.disposition?.attached_pic !== 1 &&
        !STILL_VIDEO.has(stream.codec_name ?? ''),
    ),
  };
}

/**
 * Starts to decode the first audio track to 16 kHz s16le with `channels` interleaved channels on `stdout`. Throws
 * {@link ProgramMissing} through `finished`.
 */
export function startDecoder(path: string, channels: number, tools: FfmpegTools, signal?: AbortSignal): RunningProgram {
  return startProgram(
    tools.ffmpeg,
    [
      '-nostdin',
      ...INPUT_ARGUMENTS,
      '-i',
      `file:${resolve(path)}`,
      '-map',
      '0:a:0',
      '-vn',
      '-sn',
      '-dn',
      '-ac',
      String(channels),
      '-ar',
      String(SAMPLE_RATE),
      '-f',
      's16le',
      '-c:a',
      'pcm_s16le',
      'pipe:1',
    ],
    signal,
  );
}

export interface ProgramExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

export interface RunningProgram {
  readonly stdout: Readable;
  /** Settles once the program is gone and its output is read. */
  readonly finished: Promise<ProgramExit>;
  kill(): void;
}

function startProgram(program: string, args: readonly string[], signal?: AbortSignal): RunningProgram {
  signal?.throwIfAborted();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], shell: false, windowsHide: true });
  const kill = () => void child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < MAX_STDERR) stderr += text;
  });
  const finished = new Promise<ProgramExit>((fulfil, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'ENOENT' || error.code === 'EACCES'
          ? new ProgramMissing(`${program} cannot be started`, { cause: error })
          : error,
      );
    });
    child.once('close', (code, killed) => fulfil({ code, signal: killed, stderr }));
  }).finally(() => signal?.removeEventListener('abort', kill));
  // Whoever reads stdout to its end awaits `finished` only then.
  finished.catch(() => undefined);
  return { stdout: child.stdout, finished, kill };
}

export function undecodable(path: string, stderr: string): DiaristError {
  const reason = lastReason(stderr, path);
  return new DiaristError(
    'input_undecodable',
    `"${path}" cannot be read as a recording: failed to decode audio${reason ? ` (${reason})` : ''}; check that the file is complete and is audio or video.`,
  );
}

export function killedError(program: string, path: string, signal: NodeJS.Signals): DiaristError {
  return new DiaristError(
    'engine_crashed',
    `The decoder (${program}) was ended by ${signal} while it read "${path}", most often because memory ran out: free some memory and run the same command again.`,
  );
}

/** Last line of ffmpeg's own explanation, without addresses of its parts and without the path. */
function lastReason(stderr: string, path: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.replace(/\[[^\]]*@ 0x[0-9a-f]+\] ?/g, '').trim())
    .filter((line) => line !== '');
  const last = lines.at(-1) ?? '';
  // What ffmpeg says of a header with an absurd size; it would send people looking for memory.
  if (last.endsWith('Cannot allocate memory')) return 'its header is damaged';
  return last.replaceAll(`file:${resolve(path)}: `, '').replaceAll(`file:${resolve(path)}`, path);
}

interface ProbeStream {
  readonly codec_type?: string;
  readonly codec_name?: string;
  readonly channels?: number;
  readonly sample_rate?: string;
  readonly duration?: string;
  readonly start_time?: string;
  readonly disposition?: { readonly attached_pic?: number };
}

interface ProbeFormat {
  readonly format_name?: string;
  readonly duration?: string;
  readonly start_time?: string;
}

interface ProbeReport {
  readonly format?: ProbeFormat;
  readonly streams?: readonly ProbeStream[];
}

function parseReport(text: string): ProbeReport | undefined {
  try {
    return JSON.parse(text) as ProbeReport;
  } catch {
    return undefined;
  }
}

function toTrack(stream: ProbeStream, format: ProbeFormat | undefined): AudioTrack {
  const estimated = (format?.format_name ?? '').split(',').some((name) => ESTIMATED_DURATION.has(name));
  const seconds = estimated ? undefined : positive(stream.duration);
  const start = Number(stream.start_time) - Number(format?.start_time);
  return {
    codec: stream.codec_name ?? 'unknown',
    channels: stream.channels ?? 0,
    sampleRate: Number(stream.sample_rate ?? 0),
    ...(seconds === undefined ? {} : { seconds }),
    // A start beyond the file's own length is a broken time stamp.
    startSeconds: start > 0 && start < (positive(format?.duration) ?? 0) ? start : 0,
  };
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return value > 0 ? value : undefined;
}
