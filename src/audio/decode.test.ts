import { chmodSync, copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { DiaristError, type ErrorCode } from '../core/errors.ts';
import { type DecodeOptions, decodeToSpool } from './decode.ts';
import { AudioSpool } from './spool.ts';
import { clipFolder, evaluationAudio, ffmpeg } from './test-clips.ts';

const folder = clipFolder();
afterAll(() => folder[Symbol.dispose]());
const data = evaluationAudio();
const NO_FFMPEG = { ffmpeg: join(folder.path, 'no-ffmpeg'), ffprobe: join(folder.path, 'no-ffprobe') };

let spools = 0;
const spoolPath = () => folder.file(`spool-${spools++}.s16le`);
const decode = (path: string, options: Partial<DecodeOptions> = {}) =>
  decodeToSpool({ path }, { spoolPath: spoolPath(), ...options });

/** What decoding fails with; the spool must be gone. */
async function failure(path: string, options: Partial<DecodeOptions> = {}): Promise<DiaristError> {
  const target = options.spoolPath ?? spoolPath();
  const error = await decodeToSpool({ path }, { ...options, spoolPath: target }).then(
    () => new Error('it decoded'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof DiaristError)) throw error;
  if (target.startsWith(folder.path)) expect(existsSync(target)).toBe(false);
  return error;
}

function level(path: string): number {
  using spool = AudioSpool.open(path);
  const samples = spool.read(0, spool.samples);
  return Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
}

const TONE = 'sine=frequency=440:duration=3';
const tone = (name: string, ...args: string[]) => ffmpeg('-f', 'lavfi', '-i', TONE, ...args, folder.file(name));

describe('what a recording may be', () => {
  it.each([
    ['phone.wav', ['-ar', '8000']],
    ['mulaw.wav', ['-ar', '8000', '-c:a', 'pcm_mulaw']],
    ['studio.wav', ['-ar', '96000', '-ac', '8', '-c:a', 'pcm_s24le']],
    ['nine-channels.wav', ['-filter_complex', 'aevalsrc=0|0|0|0|0|0|0|0|sin(2764*t):d=3']],
    ['talk.mp3', []],
    ['talk.m4a', []],
    ['talk.opus', []],
    ['talk.ogg', []],
    ['talk.flac', []],
    ['talk.wma', []],
  ])('%s', async (name, args) => {
    const { samples, seconds, warnings, spoolPath: path } = await decode(tone(name, ...args));
    expect(Math.abs(seconds - 3)).toBeLessThan(0.06);
    expect(samples).toBe(Math.round(seconds * 16_000));
    expect(readFileSync(path).length).toBe(samples * 2);
    expect(warnings).toEqual([]);
    expect(level(path)).toBeGreaterThan(0.05);
  });

  it('a video: its first audio track', async () => {
    const path = folder.file('film.mkv');
    const second = 'sine=frequency=880:duration=3';
    ffmpeg(...lavfi('testsrc=duration=3:size=64x64', TONE, second), '-map', '0', '-map', '1', '-map', '2', path);
    const decoded = await decode(path);
    expect(decoded.source.audioTracks).toBe(2);
    using spool = AudioSpool.open(decoded.spoolPath);
    const samples = spool.read(1600, 16_000);
    const crossings = samples.reduce((n, value, i) => n + (i > 0 && value >= 0 && samples[i - 1]! < 0 ? 1 : 0), 0);
    expect(Math.abs(crossings - 440)).toBeLessThan(5);
  });

  it('a video whose sound begins late: times are those of the picture', async () => {
    const late = ['-f', 'lavfi', '-i', 'testsrc=duration=5:size=64x64', '-itsoffset', '2', '-f', 'lavfi', '-i', TONE];
    const decoded = await decode(ffmpeg(...late, '-map', '0', '-map', '1', folder.file('late.mkv')));
    expect(decoded.seconds).toBeCloseTo(5, 1);
    expect(decoded.warnings).toEqual([]);
    using spool = AudioSpool.open(decoded.spoolPath);
    expect(spool.read(0, 31_000).every((value) => value === 0)).toBe(true);
    expect(spool.read(33_000, 1000).some((value) => Math.abs(value) > 0.05)).toBe(true);
  });

  it('joined files, whose time stamps begin anew, in full', async () => {
    const part = readFileSync(tone('part.webm'));
    const path = folder.file('joined.webm');
    writeFileSync(path, Buffer.concat([part, part]));
    expect((await decode(path)).seconds).toBeCloseTo(6, 1);
  });

  it('anything under a wrong name', async () => {
    const path = folder.file('really-flac.mp3');
    copyFileSync(tone('right.flac'), path);
    expect((await decode(path)).source.codec).toBe('flac');
  });

  it('a name that looks like an option or an address', async () => {
    for (const name of ['-i.wav', 'concat:a.wav', 'a b"c.wav']) {
      const path = folder.file(name);
      copyFileSync(tone('plain.wav'), path);
      expect((await decode(path)).seconds).toBeCloseTo(3, 2);
    }
  });

  it('a voice on one channel keeps its level, and an inverted pair does not cancel', async () => {
    const mono = level((await decode(tone('mono.wav'))).spoolPath);
    const left = tone('left.wav', '-af', 'pan=stereo|c0=c0|c1=0*c0');
    const inverted = tone('inverted.wav', '-af', 'pan=stereo|c0=c0|c1=-1*c0');
    expect(level((await decode(left)).spoolPath) / mono).toBeCloseTo(1, 1);
    expect(level((await decode(inverted)).spoolPath) / mono).toBeCloseTo(1, 1);
  });

  it.skipIf(!data)(
    'every format of the evaluation audio, at its stated length',
    async () => {
      interface Item {
        readonly kind: string;
        readonly path: string;
        readonly duration_s: number;
      }
      const manifest = JSON.parse(readFileSync(join(data!, 'manifest.json'), 'utf8')) as Item[];
      const items = manifest.filter((item) => item.kind === 'format');
      expect(items.length).toBeGreaterThan(20);
      for (const item of items) {
        const decoded = await decode(join(data!, item.path));
        expect(Math.abs(decoded.seconds - item.duration_s), item.path).toBeLessThan(0.03);
        expect(decoded.warnings, item.path).toEqual([]);
      }
    },
    60_000,
  );
});

const lavfi = (...sources: string[]) => sources.flatMap((source) => ['-f', 'lavfi', '-i', source]);

describe('what is no recording', () => {
  const file = (name: string, content: string | Uint8Array) => {
    const path = folder.file(name);
    writeFileSync(path, content);
    return path;
  };

  it.each<[string, () => string, ErrorCode, RegExp]>([
    ['missing', () => folder.file('nowhere.mp3'), 'input_not_found', /does not exist/],
    ['a folder', () => folder.path, 'input_unreadable', /is a folder/],
    ['empty', () => file('empty.mp3', ''), 'input_empty', /0 bytes/],
    ['one byte', () => file('one.wav', 'x'), 'input_undecodable', /failed to decode audio/],
    ['text', () => file('notes.mp3', 'just some notes\n'.repeat(99)), 'input_undecodable', /failed to decode audio/],
    [
      'a picture',
      () => ffmpeg(...lavfi('testsrc=size=64x64'), '-frames:v', '1', folder.file('p.png')),
      'input_undecodable',
      /failed to decode audio/,
    ],
    [
      'a video without sound',
      () => ffmpeg(...lavfi('testsrc=duration=1:size=64x64'), folder.file('mute.mp4')),
      'input_no_audio',
      /without sound/,
    ],
    ['zero seconds', () => tone('none.wav', '-t', '0'), 'input_empty', /0 seconds/],
    [
      'a playlist',
      () => file('list.m3u8', `#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n${tone('part.ts')}\n`),
      'input_undecodable',
      /playlist|failed to decode audio/,
    ],
  ])('%s', async (_what, make, code, words) => {
    const path = make();
    const error = await failure(path);
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(words)]);
    expect(error.message).toContain(basename(path));
    expect(error.message).not.toContain('\n');
  });

  it('a file that may not be read', async () => {
    const path = tone('secret.wav');
    chmodSync(path, 0o000);
    const wasRoot = process.geteuid?.() === 0;
    if (wasRoot) {
      chmodSync(folder.path, 0o755);
      process.seteuid?.(65_534);
    }
    try {
      expect((await failure(path, { spoolPath: '/nonexistent/spool' })).code).toBe('input_unreadable');
    } finally {
      if (wasRoot) process.seteuid?.(0);
    }
  });

  it.skipIf(!data)(
    'the broken files of the evaluation audio',
    async () => {
      for (const name of ['awful', 'bad', 'mono.empty', 'mono.invalid', 'mono.zero', 'null']) {
        const error = await failure(join(data!, 'edge', `${name}.wav`));
        expect(['input_empty', 'input_undecodable'], name).toContain(error.code);
        expect(error.exitCode).toBe(3);
      }
    },
    30_000,
  );
});

describe('a file that breaks off', () => {
  it.each(['flac', 'wav', 'webm'])('gives what there is of a .%s and says so', async (extension) => {
    const path = tone(`cut.${extension}`);
    truncateSync(path, Math.floor(readFileSync(path).length * 0.6));
    const decoded = await decode(path);
    expect(decoded.seconds).toBeGreaterThan(0.5);
    expect(decoded.seconds).toBeLessThan(2.2);
    expect(decoded.warnings.map((warning) => warning.code)).toEqual(['truncated_audio']);
  });

  it('is an error where nothing can be decoded', async () => {
    const path = tone('cut.m4a');
    truncateSync(path, 4000);
    expect((await failure(path)).message).toMatch(/failed to decode audio/);
  });
});

describe('while it decodes', () => {
  it('hands on every sample once, in order, after it stands in the spool', async () => {
    const target = spoolPath();
    let next = 0;
    let chunks = 0;
    const progress: number[] = [];
    const decoded = await decode(tone('stream.flac', '-af', 'apad=whole_dur=20'), {
      spoolPath: target,
      onProgress: ({ decodedSeconds, totalSeconds }) => {
        expect(totalSeconds).toBeCloseTo(20, 1);
        progress.push(decodedSeconds);
      },
      async onSamples(chunk, startSample) {
        expect(startSample).toBe(next);
        next += chunk.length;
        chunks++;
        using spool = AudioSpool.open(target);
        expect(spool.samples).toBeGreaterThanOrEqual(next);
        expect(spool.read(startSample, 1)[0]).toBe(chunk[0]! / 32_768);
        await sleep(1);
      },
    });
    expect(next).toBe(decoded.samples);
    expect(chunks).toBeGreaterThan(3);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBe(decoded.seconds);
  });

  it('stops at once when cancelled, and removes the spool', async () => {
    const path = tone('long.wav', '-af', 'apad=whole_dur=600');
    const stop = new AbortController();
    const error = await failure(path, { signal: stop.signal, onSamples: () => stop.abort() });
    expect(error.code).toBe('cancelled');
    expect((await failure(path, { signal: AbortSignal.abort() })).code).toBe('cancelled');
  });

  it('refuses what is longer than the limit', async () => {
    const error = await failure(tone('limit.wav'), { maxSeconds: 2 });
    expect([error.code, error.message]).toEqual(['input_too_large', expect.stringContaining('2 seconds')]);
    expect((await decode(tone('limit.wav'), { maxSeconds: 3 })).seconds).toBeCloseTo(3, 2);
  });

  it('judges the length by what was decoded, not by what a header says', async () => {
    const path = ffmpeg('-f', 'lavfi', '-i', 'sine=d=3', '-ar', '16000', folder.file('boast.flac'));
    const bytes = readFileSync(path);
    // The count of samples ends 26 bytes into a FLAC file: it says an hour now.
    bytes.writeUInt32BE(3600 * 16_000, 22);
    writeFileSync(path, bytes);
    const told: (number | undefined)[] = [];
    const onProgress = ({ totalSeconds }: { totalSeconds?: number }) => void told.push(totalSeconds);
    const { seconds } = await decode(path, { maxSeconds: 10, onProgress });
    expect([told[0], seconds]).toEqual([3600, expect.closeTo(3, 2)]);
  });

  it.skipIf(!existsSync('/dev/full'))('says that the disk is full', async () => {
    expect((await failure(tone('full.wav'), { spoolPath: '/dev/full' })).code).toBe('disk_full');
    expect(existsSync('/dev/full')).toBe(true);
  });

  it('says that the spool cannot be written', async () => {
    const error = await failure(tone('unwritable.wav'), { spoolPath: join(folder.path, 'no', 'folder', 'spool') });
    expect(error.code).toBe('output_unwritable');
  });

  it.skipIf(process.platform === 'win32')('reports a decoder that was killed, and keeps nothing of it', async () => {
    const script = folder.file('dying-ffmpeg');
    writeFileSync(script, '#!/bin/sh\nffmpeg "$@" | head -c 50000\nkill -9 $$\n');
    chmodSync(script, 0o755);
    const error = await failure(tone('killed.wav'), { tools: { ffmpeg: script, ffprobe: 'ffprobe' } });
    expect([error.code, error.message]).toEqual(['engine_crashed', expect.stringContaining('SIGKILL')]);
  });
});

describe('without ffmpeg', () => {
  it.each([
    ['s16', ['-c:a', 'pcm_s16le']],
    ['u8 at 8 kHz', ['-c:a', 'pcm_u8', '-ar', '8000']],
    ['s24 stereo', ['-c:a', 'pcm_s24le', '-ac', '2']],
    ['s32', ['-c:a', 'pcm_s32le']],
    ['f32 at 48 kHz', ['-c:a', 'pcm_f32le', '-ar', '48000']],
    ['f64', ['-c:a', 'pcm_f64le']],
    ['A-law', ['-c:a', 'pcm_alaw', '-ar', '8000']],
    ['mu-law', ['-c:a', 'pcm_mulaw', '-ar', '8000']],
    ['RF64', ['-rf64', 'always']],
  ])('reads WAV as ffmpeg does: %s', async (name, args) => {
    const path = tone(`own-${name.replaceAll(' ', '-')}.wav`, ...args);
    const own = await decode(path, { tools: NO_FFMPEG });
    const reference = await decode(path);
    expect(Math.abs(own.samples - reference.samples)).toBeLessThanOrEqual(32);
    using ownSpool = AudioSpool.open(own.spoolPath);
    using referenceSpool = AudioSpool.open(reference.spoolPath);
    const expected = referenceSpool.read(1600, 40_000);
    const errors = ownSpool.read(1600, 40_000).map((value, i) => Math.abs(value - expected[i]!));
    expect(Math.max(...errors)).toBeLessThan(0.003);
  });

  it('says what to install for anything else', async () => {
    const error = await failure(tone('other.mp3'), { tools: NO_FFMPEG });
    expect([error.code, error.message]).toEqual(['decoder_missing', expect.stringMatching(/install.*ffmpeg/)]);
  });

  it('tells of a WAV file that breaks off', async () => {
    const path = tone('own-cut.wav');
    truncateSync(path, 60_000);
    expect((await decode(path, { tools: NO_FFMPEG })).warnings.map(({ code }) => code)).toEqual(['truncated_audio']);
  });
});
