import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diarist } from './program.ts';
import { ffmpeg, shortClip } from './recordings.ts';
import { filesBelow, type ScratchFolder, scratchFolder } from './scratch-folder.ts';

let scratch: ScratchFolder;
let clip: string;
const env = () => ({ DIARIST_DATA: scratch.file('data') });

beforeAll(async () => {
  scratch = await scratchFolder();
  clip = await shortClip(scratch.file('call.wav'));
});
afterAll(async () => {
  await scratch[Symbol.asyncDispose]();
});

const looksRight: Record<string, (text: string) => void> = {
  json: (text) => expect(JSON.parse(text)).toMatchObject({ schema: 'diarist.transcript/1', language: 'en' }),
  srt: (text) => expect(text).toMatch(/^1\r?\n00:00:0\d,\d{3} --> 00:00:\d\d,\d{3}\r?\n/),
  vtt: (text) => {
    expect(text).toMatch(/^WEBVTT/);
    expect(text).toMatch(/<v SPEAKER_0\d>/);
  },
  tsv: (text) => expect(text).toMatch(/^start\tend\t.*text/),
  txt: (text) => expect(text).toMatch(/SPEAKER_0[01]/),
  rttm: (text) => expect(text).toMatch(/^SPEAKER \S+ 1 \d+\.\d+ \d+\.\d+ <NA> <NA> SPEAKER_0\d <NA> <NA>$/m),
};

describe('diarist transcribe', () => {
  it('writes every format into a folder, named after the recording', async () => {
    const out = scratch.file('formats');
    const formats = Object.keys(looksRight);
    const run = await diarist(['transcribe', clip, '-f', formats.join(','), '-o', out], { env: env() });
    expect(run.stderr).not.toMatch(/error/i);
    expect(run.code).toBe(0);
    expect(run.stdout).toBe('');
    expect(await filesBelow(out)).toEqual(formats.map((format) => `call.${format}`).sort());
    for (const format of formats) looksRight[format]?.(await readFile(path.join(out, `call.${format}`), 'utf8'));
  });

  it('writes one format to the standard output, and nothing else there', async () => {
    const run = await diarist(['transcribe', clip, '-f', 'srt', '--no-diarize'], { env: env() });
    expect(run.code).toBe(0);
    looksRight.srt?.(run.stdout);
    expect(run.stdout).toMatch(/hello/i);
    expect(run.stdout).not.toMatch(/SPEAKER_/);
  });

  it('reads the standard input', async () => {
    const run = await diarist(['transcribe', '-', '-f', 'txt'], { env: env(), stdin: createReadStream(clip) });
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/hello/i);
    expect(await filesBelow(scratch.file('data'))).toEqual([]);
  });

  it('reads a URL', async () => {
    const server = createServer((_, response) => {
      response.setHeader('content-type', 'audio/wav');
      createReadStream(clip).pipe(response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const run = await diarist(['transcribe', `http://127.0.0.1:${port}/call.wav`, '-f', 'txt'], { env: env() });
    server.close();
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/hello/i);
    expect(await filesBelow(scratch.file('data'))).toEqual([]);
  });

  it('does several files in one run, skips what is done, and does it again when told', async () => {
    const folder = scratch.file('several');
    await mkdir(folder);
    await copyFile(clip, path.join(folder, 'one.wav'));
    await ffmpeg('-i', clip, path.join(folder, 'two.flac'));
    await ffmpeg('-i', clip, path.join(folder, 'three.mp3'));
    const inputs = ['one.wav', 'two.flac', 'three.mp3'].map((name) => path.join(folder, name));
    const out = path.join(folder, 'out');
    const first = await diarist(['transcribe', ...inputs, '-f', 'json', '-o', out], { env: env() });
    expect(first.code).toBe(0);
    expect(await filesBelow(out)).toEqual(['one.json', 'three.json', 'two.json']);
    const texts = await Promise.all(
      ['one', 'two', 'three'].map(
        async (name) => JSON.parse(await readFile(path.join(out, `${name}.json`), 'utf8')).text,
      ),
    );
    // Lossless copies of one recording, batched with a lossy one, are heard alike.
    expect(texts[0]).toBe(texts[1]);
    expect(texts[2]).toMatch(/hello/i);

    await writeFile(path.join(out, 'one.json'), 'kept');
    const { mtimeMs } = await stat(path.join(out, 'two.json'));
    const second = await diarist(['transcribe', ...inputs, '-f', 'json', '-o', out], { env: env() });
    expect(second.code).toBe(0);
    expect(second.stderr).toMatch(/skip|already|done/i);
    expect(await readFile(path.join(out, 'one.json'), 'utf8')).toBe('kept');
    expect((await stat(path.join(out, 'two.json'))).mtimeMs).toBe(mtimeMs);

    const third = await diarist(['transcribe', path.join(folder, 'one.wav'), '-f', 'json', '-o', out, '--overwrite'], {
      env: env(),
    });
    expect(third.code).toBe(0);
    looksRight.json?.(await readFile(path.join(out, 'one.json'), 'utf8'));
  });

  it('does the good files when one is bad, and its exit code says what was wrong', async () => {
    const bad = scratch.file('bad.wav');
    await writeFile(bad, 'not audio at all');
    const out = scratch.file('mixed');
    const run = await diarist(['transcribe', bad, clip, '-f', 'txt', '-o', out], { env: env() });
    expect(run.code).toBe(3);
    expect(run.stderr).toMatch(/bad\.wav/);
    expect(await filesBelow(out)).toEqual(['call.txt']);
  });

  it('reports progress as JSON lines that end at one', async () => {
    const run = await diarist(['transcribe', clip, '-f', 'json', '-o', scratch.file('progress'), '--json-progress'], {
      env: env(),
    });
    expect(run.code).toBe(0);
    const lines = run.stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { fraction?: number });
    const fractions = lines.flatMap(({ fraction }) => (fraction === undefined ? [] : [fraction]));
    expect(fractions.length).toBeGreaterThan(1);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
  });

  it('hears the same from any container, rate and channel layout', async () => {
    const variants: Record<string, string[]> = {
      'phone.wav': ['-ar', '8000', '-c:a', 'pcm_mulaw'],
      'studio.wav': ['-ar', '96000', '-ac', '8', '-c:a', 'pcm_s24le'],
      'left.wav': ['-af', 'pan=stereo|c0=c0|c1=0*c0'],
      'call.m4a': ['-c:a', 'aac'],
      'call.ogg': ['-c:a', 'libvorbis'],
      'call.webm': ['-c:a', 'libopus'],
      'misnamed.jpg': ['-f', 'wav'],
    };
    const inputs: string[] = [];
    for (const [name, args] of Object.entries(variants)) {
      await ffmpeg('-i', clip, ...args, scratch.file(name));
      inputs.push(scratch.file(name));
    }
    const out = scratch.file('variants');
    const run = await diarist(['transcribe', ...inputs, '-f', 'txt,json', '-o', out, '--no-diarize'], { env: env() });
    expect(run.stderr).not.toMatch(/error/i);
    expect(run.code).toBe(0);
    for (const file of (await filesBelow(out)).filter((name) => name.endsWith('.txt'))) {
      const text = await readFile(path.join(out, file), 'utf8');
      expect(text, file).toMatch(/new jersey/i);
      expect(text, file).toMatch(/texas/i);
    }
  });

  it('gives an empty transcript and a note for silence, not invented words', async () => {
    await ffmpeg('-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', '20', scratch.file('silence.wav'));
    const run = await diarist(['transcribe', scratch.file('silence.wav'), '-f', 'json'], { env: env() });
    expect(run.code).toBe(0);
    const transcript = JSON.parse(run.stdout);
    expect(transcript).toMatchObject({ text: '', segments: [], turns: [], speakers: [] });
    expect(transcript.warnings).toHaveLength(1);
  });
});
