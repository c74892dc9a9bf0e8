import { open, stat } from 'node:fs/promises';
import { DiaristError, toDiaristError } from '../core/errors.ts';
import { SAMPLE_RATE, type Seconds } from '../core/units.ts';
import { Downmixer, toInt16 } from './downmix.ts';
import {
  FFMPEG_FROM_PATH,
  type FfmpegTools,
  ffmpegInstallCommand,
  killedError,
  type MediaProbe,
  ProgramMissing,
  probeMedia,
  startDecoder,
  undecodable,
} from './ffmpeg.ts';
import { Resampler } from './resample.ts';
import { SpoolWriter } from './spool.ts';
import { readWavHeader, readWavSamples, type WavFormat } from './wav-reader.ts';

export interface DecodeProgress {
  readonly decodedSeconds: Seconds;
  /** What the container states or lets estimate; absent where it does not tell. */
  readonly totalSeconds?: Seconds;
}

export interface DecodeOptions {
  /** File that receives 16 kHz mono s16le; an existing one is emptied. Removed again where decoding fails. */
  readonly spoolPath: string;
  readonly signal?: AbortSignal;
  /** A recording with more decoded audio is refused with `input_too_large`; what its header states decides nothing. */
  readonly maxSeconds?: Seconds;
  readonly onProgress?: (progress: DecodeProgress) => void;
  /**
   * Called in order with every stretch of samples once it stands in the spool; decoding waits for the promise, so that a
   * slow reader keeps no audio in memory.
   */
  readonly onSamples?: (chunk: Int16Array, startSample: number) => void | Promise<void>;
  /** Asked after every stretch; true ends the reading there, and what came so far is the recording. */
  readonly until?: () => boolean;
  readonly tools?: FfmpegTools;
}

export interface DecodedAudio {
  readonly spoolPath: string;
  /** At 16 kHz. */
  readonly samples: number;
  readonly seconds: Seconds;
  readonly source: {
    readonly container: string;
    readonly codec: string;
    readonly channels: number;
    readonly sampleRate: number;
    readonly audioTracks: number;
  };
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
}

/** A file to decode. */
export interface AudioInput {
  readonly path: string;
  /** Headerless 16-bit little-endian samples, 16 kHz, mono; absent where the file itself says what it is. */
  readonly format?: 's16le';
}

/** A recording that is being read: mono samples and, at the end, what went wrong on the way. */
interface OpenRecording {
  readonly source: DecodedAudio['source'];
  readonly totalSeconds?: Seconds;
  /** Throws where nothing (more) can be decoded and what came so far must not count as the recording. */
  samples(): AsyncGenerator<Int16Array, void>;
  /** Why the samples may be less than the recording; undefined where they are all of it. Known after the last sample. */
  shortfall(decodedSeconds: Seconds): string | undefined;
}

/**
 * Decodes the first audio track of a local file to 16 kHz mono in a spool file, streaming: memory does not grow with the
 * length. All channels are mixed as {@link Downmixer} describes. WAV files of 16 kHz are read without ffmpeg, others where it is missing; so are headerless samples, whose odd last byte is dropped.
 *
 * Throws `input_not_found`, `input_unreadable`, `input_empty`, `input_undecodable`, `input_no_audio`, `input_too_large`,
 * `decoder_missing`, `disk_full`, `output_unwritable`, `engine_crashed` (the decoder was killed) and `cancelled`; the spool
 * is gone then. Of a file that breaks off the part that decoded is kept, with the warning `truncated_audio`.
 */
export async function decodeToSpool(input: AudioInput, options: DecodeOptions): Promise<DecodedAudio> {
  const { path, format } = input;
  const { signal } = options;
  try {
    signal?.throwIfAborted();
    await assertRecordingFile(path);
    const recording = format === 's16le' ? await openRaw(path) : await openRecording(path, options);
    const { samples, cutShort } = await spool(path, recording, options);
    const seconds = samples / SAMPLE_RATE;
    return {
      spoolPath: options.spoolPath,
      samples,
      seconds,
      source: recording.source,
      warnings: cutShort ? [] : warningsOf(path, recording.shortfall(seconds), seconds),
    };
  } catch (error) {
    if (signal?.aborted) throw new DiaristError('cancelled', 'Cancelled.', { cause: error });
    throw toDiaristError(error, 'input_undecodable');
  }
}

async function spool(
  path: string,
  recording: OpenRecording,
  options: DecodeOptions,
): Promise<{ readonly samples: number; readonly cutShort: boolean }> {
  let cutShort = false;
  const total = recording.totalSeconds;
  const writer = await SpoolWriter.create(options.spoolPath);
  try {
    for await (const chunk of recording.samples()) {
      if (chunk.length === 0) continue;
      const start = writer.samples;
      await writer.append(chunk);
      const decodedSeconds = writer.samples / SAMPLE_RATE;
      if (options.maxSeconds !== undefined) assertLength(path, decodedSeconds, options.maxSeconds);
      await options.onSamples?.(chunk, start);
      options.onProgress?.({ decodedSeconds, ...(total === undefined ? {} : { totalSeconds: total }) });
      options.signal?.throwIfAborted();
      cutShort = options.until?.() ?? false;
      if (cutShort) break;
    }
    if (writer.samples === 0) {
      throw new DiaristError(
        'input_empty',
        `"${path}" holds no sound (failed to decode audio from it: its audio track is 0 seconds long); give a recording that is not empty.`,
      );
    }
    await writer.close();
    return { samples: writer.samples, cutShort };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

async function assertRecordingFile(path: string): Promise<void> {
  let found: Awaited<ReturnType<typeof stat>>;
  try {
    found = await stat(path);
    // Opened, not asked for access: that would tell what the real user may do, not the effective one.
    if (found.isFile()) await (await open(path, 'r')).close();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new DiaristError('input_not_found', `"${path}" does not exist: check the name.`, { cause: error });
    }
    throw new DiaristError('input_unreadable', `"${path}" cannot be opened: check its permissions.`, { cause: error });
  }
  if (found.isDirectory()) {
    throw new DiaristError('input_unreadable', `"${path}" is a folder: name the recordings in it.`);
  }
  if (!found.isFile()) {
    throw new DiaristError('input_unreadable', `"${path}" is not a regular file: pipe the recording in and give "-".`);
  }
  if (found.size === 0) {
    throw new DiaristError('input_empty', `"${path}" is empty (0 bytes): give a recording that is not empty.`);
  }
}

function assertLength(path: string, seconds: Seconds, maxSeconds: Seconds): void {
  if (seconds <= maxSeconds) return;
  throw new DiaristError(
    'input_too_large',
    `"${path}" is longer than the limit of ${Math.round(maxSeconds)} seconds: raise the limit or split the recording.`,
  );
}

async function openRecording(path: string, options: DecodeOptions): Promise<OpenRecording> {
  const tools = options.tools ?? FFMPEG_FROM_PATH;
  const wav = await openWav(path);
  // Nothing is left to convert: two programs less to start, some 0.15 s of what a dictation takes.
  if (wav?.source.sampleRate === SAMPLE_RATE) return wav;
  try {
    return await openWithFfmpeg(path, await probeMedia(path, tools, options.signal), tools, options.signal);
  } catch (error) {
    if (!(error instanceof ProgramMissing)) throw error;
    if (wav) return wav;
    throw new DiaristError(
      'decoder_missing',
      `ffmpeg is needed to read "${path}" and is not installed: run \`${ffmpegInstallCommand()}\` (or convert the recording to WAV).`,
      { cause: error },
    );
  }
}

/** A track this much shorter than stated counts as cut off: containers round, encoders pad. */
const LENGTH_TOLERANCE = { seconds: 1, share: 0.01, damagedSeconds: 0.1 };
/** Complaints (of some 25 ms each) that make a file without a stated length count as damaged; one is usual at its end. */
const MIN_DAMAGES = 10;

async function openWithFfmpeg(
  path: string,
  probe: MediaProbe,
  tools: FfmpegTools,
  signal?: AbortSignal,
): Promise<OpenRecording> {
  const track = probe.audioTracks[0];
  if (!track) {
    if (!probe.hasVideo) throw undecodable(path, 'no audio track');
    throw new DiaristError('input_no_audio', `"${path}" is a video without sound: give one that has an audio track.`);
  }
  if (track.channels === 0) throw undecodable(path, `the ${track.codec} track cannot be decoded`);
  let brokenOff: string | undefined;
  let damages = 0;
  const totalSeconds = track.seconds === undefined ? probe.seconds : track.startSeconds + track.seconds;
  const stated = await statedSeconds(path, probe);
  return {
    source: {
      container: probe.container,
      codec: track.codec,
      channels: track.channels,
      sampleRate: track.sampleRate,
      audioTracks: probe.audioTracks.length,
    },
    ...(totalSeconds === undefined ? {} : { totalSeconds }),
    async *samples() {
      const decoder = startDecoder(path, track.channels, tools, signal);
      let any = false;
      try {
        yield* silence(track.startSeconds);
        for await (const chunk of toMono(wholeFrames(decoder.stdout, track.channels), track.channels)) {
          any ||= chunk.length > 0;
          yield chunk;
        }
        const exit = await decoder.finished;
        signal?.throwIfAborted();
        if (exit.signal) throw killedError('ffmpeg', path, exit.signal);
        if (!any && (exit.code !== 0 || exit.stderr !== '')) throw undecodable(path, exit.stderr);
        if (exit.code !== 0) brokenOff = 'the decoder gave up';
        damages = exit.stderr.match(DAMAGE)?.length ?? 0;
      } finally {
        decoder.kill();
        await decoder.finished.catch(() => undefined);
      }
    },
    shortfall(decodedSeconds) {
      if (stated === undefined) return damages >= MIN_DAMAGES ? 'parts of it cannot be decoded' : brokenOff;
      const missing = stated - decodedSeconds;
      if (missing > Math.max(LENGTH_TOLERANCE.seconds, LENGTH_TOLERANCE.share * stated)) {
        return lengthShortfall(stated);
      }
      return damages > 0 && missing > LENGTH_TOLERANCE.damagedSeconds ? 'parts of it cannot be decoded' : brokenOff;
    },
  };
}

/**
 * What a player shows before a late sound track begins, so that times are those of the player. Gaps inside a track are left
 * out: filling them by time stamp loses speech in joined files, whose stamps begin anew.
 */
function* silence(seconds: Seconds): Generator<Int16Array> {
  for (let rest = Math.round(seconds * SAMPLE_RATE); rest > 0; rest -= SAMPLE_RATE) {
    yield new Int16Array(Math.min(rest, SAMPLE_RATE));
  }
}

/** How long the track ought to be; undefined where the container does not say, or only lets it be estimated. */
async function statedSeconds(path: string, probe: MediaProbe): Promise<Seconds | undefined> {
  if (probe.container === 'wav') {
    // ffprobe silently counts what is left of a WAV file that was cut off.
    const wav = await inspectWav(path);
    if (wav) return secondsOf(wav, wav.dataBytes + wav.missingBytes);
  }
  // Matroska states the length of the longest track only.
  const only = probe.container.startsWith('matroska') && !probe.hasVideo && probe.audioTracks.length === 1;
  const [track] = probe.audioTracks;
  if (track?.seconds !== undefined) return track.startSeconds + track.seconds;
  return only ? probe.seconds : undefined;
}

/** Complaints of ffmpeg that mean lost audio, as opposed to odd headers and tags. */
const DAMAGE = /error while decoding|error submitting packet|decode_frame.*failed|corrupt|partial file|truncat/gi;

const secondsOf = (wav: WavFormat, bytes: number): Seconds =>
  bytes / (wav.bytesPerSample * wav.channels * wav.sampleRate);

const lengthShortfall = (stated: Seconds): string => `it should last ${stated.toFixed(1)} seconds`;

async function inspectWav(path: string): Promise<WavFormat | undefined> {
  await using file = await open(path, 'r');
  return await readWavHeader(file);
}

async function openWav(path: string): Promise<OpenRecording | undefined> {
  const format = await inspectWav(path);
  if (!format) return undefined;
  const { channels, sampleRate } = format;
  return {
    source: { container: 'wav', codec: `${format.encoding} PCM`, channels, sampleRate, audioTracks: 1 },
    totalSeconds: secondsOf(format, format.dataBytes),
    async *samples() {
      await using file = await open(path, 'r');
      const mixer = channels === 1 ? undefined : new Downmixer(channels, sampleRate);
      const resampler = sampleRate === SAMPLE_RATE ? undefined : new Resampler(sampleRate, SAMPLE_RATE);
      for await (const block of readWavSamples(file, format)) {
        const mono = mixer ? mixer.push(block) : block;
        yield toInt16(resampler ? resampler.push(mono) : mono, 1);
      }
      const rest = mixer ? mixer.flush() : new Float32Array(0);
      yield toInt16(resampler ? resampler.push(rest) : rest, 1);
      if (resampler) yield toInt16(resampler.flush(), 1);
    },
    shortfall: (decodedSeconds) =>
      format.missingBytes > 0 ? lengthShortfall(secondsOf(format, format.missingBytes) + decodedSeconds) : undefined,
  };
}

/** Samples without a header: 16 kHz mono s16le, as the spool has them. */
async function openRaw(path: string): Promise<OpenRecording> {
  const { size } = await stat(path);
  return {
    source: { container: 'raw', codec: 'pcm_s16le', channels: 1, sampleRate: SAMPLE_RATE, audioTracks: 1 },
    totalSeconds: Math.floor(size / 2) / SAMPLE_RATE,
    async *samples() {
      await using file = await open(path, 'r');
      yield* wholeFrames(file.createReadStream({ autoClose: false }), 1);
    },
    shortfall: () => undefined,
  };
}

/** Cuts a byte stream into whole frames of s16le. */
async function* wholeFrames(bytes: AsyncIterable<Buffer>, channels: number): AsyncGenerator<Int16Array> {
  const frameBytes = 2 * channels;
  let rest: Buffer = Buffer.alloc(0);
  for await (const part of bytes) {
    const joined = rest.length === 0 ? part : Buffer.concat([rest, part]);
    const usable = joined.length - (joined.length % frameBytes);
    rest = joined.subarray(usable);
    // Copied, because the bytes may begin at an odd address and the consumer may keep the samples.
    const frames = new Int16Array(usable / 2);
    new Uint8Array(frames.buffer).set(joined.subarray(0, usable));
    yield frames;
  }
}

async function* toMono(frames: AsyncIterable<Int16Array>, channels: number): AsyncGenerator<Int16Array> {
  if (channels === 1) {
    yield* frames;
    return;
  }
  const mixer = new Downmixer(channels, SAMPLE_RATE);
  for await (const chunk of frames) yield toInt16(mixer.push(chunk), 32_768);
  yield toInt16(mixer.flush(), 32_768);
}

function warningsOf(path: string, shortfall: string | undefined, seconds: Seconds): DecodedAudio['warnings'] {
  if (shortfall === undefined) return [];
  return [
    {
      code: 'truncated_audio',
      message: `"${path}" is damaged or breaks off (${shortfall}): ${seconds.toFixed(1)} seconds of it could be decoded and were used.`,
    },
  ];
}
