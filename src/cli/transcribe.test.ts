import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { namedPipe } from '../audio/test-clips.ts';
import type { Transcript } from '../transcript/types.ts';

const PROGRAM = fileURLToPath(new URL('./fixtures/program.ts', import.meta.url));

const PROGRAM_WITH_MODELS = fileURLToPath(new URL('./fixtures/program-with-models.ts', import.meta.url));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diarist-cli-'));
});

afterEach(() => {
  const spool = join(folder, 'data', 'spool');
  const left = existsSync(spool) ? readdirSync(spool) : [];
  rmSync(folder, { recursive: true, force: true });
  expect(left).toEqual([]);
});

interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}, program = PROGRAM): ChildProcess {
  const { DIARIST_MODEL: _, ...inherited } = process.env;
  const env = {
    ...inherited,
    DIARIST_DATA: join(folder, 'data'),
    DIARIST_CACHE: join(folder, 'cache'),
    ...environment,
  };
  return spawn(process.execPath, [program, 'transcribe', ...args], { cwd: folder, env });
}

async function finish(child: ChildProcess, input = ''): Promise<Finished> {
  child.stdin?.end(input);
  const [out, err] = await Promise.all([readAll(child.stdout!), readAll(child.stderr!), once(child, 'exit')]);
  return { code: child.exitCode, out, err };
}

const run = (...args: string[]): Promise<Finished> => finish(start(args));

/** A recording for the scripted engine; returns its name. */
function recording(name: string, script: Readonly<Record<string, unknown>> = {}): string {
  writeFileSync(join(folder, name), JSON.stringify({ text: `words of ${name}`, ...script }));
  return name;
}

/** What the store takes for a model that was fetched: the scripted engine reads none of its bytes. */
function storeStandIn(name: string): void {
  const dir = join(folder, 'cache', 'models', name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'weights'), 'some');
  const manifest = {
    ...{ schema: 'diarist.model/1', name, role: 'whisper', licence: 'MIT', format: 'ctranslate2', weights: 'weights' },
    ...{ weightHash: '0'.repeat(64), origin: 'test', fetchedAt: '2026-01-01T00:00:00Z' },
    files: [{ path: 'weights', bytes: 4, sha256: '0'.repeat(64) }],
  };
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify(manifest));
}

const written = (name: string): string => readFileSync(join(folder, name), 'utf8');
const parsed = (name: string): Transcript => JSON.parse(written(name)) as Transcript;
const events = (err: string): Record<string, unknown>[] =>
  err
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('diarist transcribe', () => {
  it('gives JSON in a pipe, and any other format on demand', async () => {
    recording('talk.wav');
    const json = await run('talk.wav');
    expect(json.code).toBe(0);
    expect((JSON.parse(json.out) as Transcript).text).toBe('words of talk.wav');
    expect(json.err).toContain('talk.wav: 0:02 of audio');
    expect(json.err).toContain('Nothing was really recognised.');
    const srt = await run('talk.wav', '-f', 'srt', '--quiet');
    expect(srt.out).toBe('1\n00:00:00,500 --> 00:00:01,500\nSPEAKER_00: words of talk.wav\n');
    expect(srt.err).toBe('');
    expect((await run('talk.wav', '-f', 'txt', '--times')).out).toBe(
      '[00:00:00.500 --> 00:00:01.500] SPEAKER_00: words of talk.wav\n',
    );
  });

  it('gives readable text with times on a terminal, and clears its progress line before', async ({ skip }) => {
    if (spawnSync('script', ['--version']).error !== undefined)
      skip('the program script, which makes a terminal, is missing');
    recording('talk.wav', { steps: 30 });
    const env = { ...process.env, TERM: 'xterm', DIARIST_DATA: join(folder, 'data') };
    const command = `'${process.execPath}' '${PROGRAM}' transcribe talk.wav`;
    const { out } = await finish(spawn('script', ['-qec', command, '/dev/null'], { cwd: folder, env }));
    expect(out).toMatch(/ \d+ % .*transcribing/);
    expect(out).toContain('\r\x1b[2K[00:00:00.500 --> 00:00:01.500] SPEAKER_00: words of talk.wav\r\n');
  });

  it('hands every option on to the engine', async () => {
    recording('talk.wav');
    const given = '-l German --task translate --min-speakers 2 --max-speakers 4 --no-words --beam-size 1 --strict';
    const { out } = await run(
      'talk.wav',
      ...given.split(' '),
      '--prompt',
      'Hi.',
      '--hotwords',
      'Ana',
      '--speaker-embeddings',
    );
    expect(JSON.parse((JSON.parse(out) as Transcript).models.options!)).toEqual({
      language: 'de',
      task: 'translate',
      diarize: true,
      words: false,
      minSpeakers: 2,
      maxSpeakers: 4,
      prompt: 'Hi.',
      hotwords: 'Ana',
      beamSize: 1,
      strict: true,
      speakerEmbeddings: true,
    });
  });

  it('writes every format of every recording to a folder that it makes, and no other file', async () => {
    for (const name of ['a.wav', 'b.mp3', 'b.wav']) recording(name);
    const { code, out, err } = await run(
      'a.wav',
      'b.mp3',
      'b.wav',
      'a.wav',
      '-o',
      'deep/out',
      '-f',
      'json,vtt',
      '-f',
      'JSON',
    );
    expect(code).toBe(0);
    expect(out).toBe('');
    expect(readdirSync(join(folder, 'deep/out')).sort()).toEqual(
      ['a.json', 'a.vtt', 'b.mp3.json', 'b.mp3.vtt', 'b.wav.json', 'b.wav.vtt'].sort(),
    );
    expect(parsed('deep/out/b.mp3.json').text).toBe('words of b.mp3');
    expect(err).toContain('3 recordings, 0:06 of audio');
  });

  it('runs recordings at the same time', async () => {
    const names = ['a', 'b', 'c', 'd'].map((name) => recording(name, { steps: 100 }));
    const startedAt = performance.now();
    expect((await run(...names, '-o', 'out')).code).toBe(0);
    // One after another they would take 8 s.
    expect(performance.now() - startedAt).toBeLessThan(6500);
  });

  it('skips what is done, unless told to do it again, and adds missing formats only', async () => {
    recording('a.wav');
    await run('a.wav', '-o', 'out');
    writeFileSync(join(folder, 'out/a.json'), 'corrected by hand');
    const again = await run('a.wav', '-o', 'out');
    expect(again.code).toBe(0);
    expect(again.err).toContain('already done');
    await run('a.wav', '-o', 'out', '-f', 'json,txt');
    expect(written('out/a.json')).toBe('corrected by hand');
    expect(written('out/a.txt')).toContain('words of a.wav');
    await run('a.wav', '-o', 'out', '--overwrite');
    expect(parsed('out/a.json').text).toBe('words of a.wav');
  });

  it('goes on when a recording fails, and exits as the first failure says', async () => {
    recording('good.wav');
    recording('mute.mp4', { fail: 'input_no_audio' });
    recording('heavy.wav', { fail: 'engine_out_of_memory' });
    const { code, err } = await run('good.wav', 'heavy.wav', 'mute.mp4', 'missing.wav', '-o', 'out');
    expect(code).toBe(5);
    expect(readdirSync(join(folder, 'out'))).toEqual(['good.json']);
    expect(err).toMatch(/^diarist: "missing\.wav" does not exist: check the name\.$/m);
    expect(err).toMatch(/^diarist: mute\.mp4 fails as it was told to\.$/m);
  });

  it('tells an input that cannot be opened from one that is not there', async () => {
    symlinkSync('circle.wav', join(folder, 'circle.wav'));
    // The scripted engine opens it, as the real one would.
    const { code, err } = await run('circle.wav');
    expect([code, err]).toEqual([1, expect.stringContaining('ELOOP')]);
    expect((await run('missing/a.wav')).err).toBe('diarist: "missing/a.wav" does not exist: check the name.\n');
  });

  it('names a damaged recording as the person did, wherever it lies', async () => {
    recording('talk.wav', { damaged: true });
    for (const name of ['talk.wav', `${folder}/talk.wav`, './talk.wav']) {
      const { out, err } = await run(name);
      const message = `"${name}" breaks off.`;
      expect((JSON.parse(out) as Transcript).warnings.at(-1)?.message).toBe(message);
      expect(err).toContain(message);
    }
    const { out } = await finish(start(['-']), JSON.stringify({ text: '', damaged: true }));
    expect((JSON.parse(out) as Transcript).warnings.at(-1)?.message).toBe('"standard input" breaks off.');
  });

  it('leaves nothing for ever of a pipe that is read when the program is killed', async ({ skip }) => {
    if (process.platform === 'win32') skip('there are no named pipes here');
    const pipe = namedPipe(join(folder, 'pipe'));
    const child = start([pipe]);
    const done = once(child, 'exit');
    const writer = await open(pipe, 'w');
    const spool = join(folder, 'data', 'spool');
    const files = () => (existsSync(spool) ? readdirSync(spool, { recursive: true }) : []);
    try {
      await writer.write('half');
      await vi.waitFor(() => expect(files().join()).toContain('input-'), { timeout: 10_000 });
      child.kill('SIGKILL');
      await done;
    } finally {
      await writer.close();
    }
    expect(files().join()).toContain('input-');
    recording('a.wav');
    expect((await run('a.wav')).code).toBe(0);
    expect(files()).toEqual([]);
  });

  it('refuses no size where the limit is none', async () => {
    const server = createServer((_, response) => {
      response.setHeader('content-length', 1e15);
      response.write('x', () => response.destroy());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const fetching = async (limit: string) =>
      (await finish(start([`http://127.0.0.1:${port}/a.wav`], { DIARIST_MAX_INPUT_SIZE: limit }))).code;
    try {
      // Too large, and a transfer that breaks off.
      expect([await fetching('20GB'), await fetching('none')]).toEqual([3, 7]);
    } finally {
      server.close();
    }
  });

  it('goes on without the model that tells speakers apart, unless all of it is insisted on', async () => {
    recording('a.wav');
    const known = ['base', 'segmentation-3.0'];
    for (const name of known) storeStandIn(name);
    const offline = { HF_HUB_OFFLINE: '1', PATH: '/nonexistent', HOME: folder };
    const plain = await finish(start(['a.wav', '-f', 'txt'], offline, PROGRAM_WITH_MODELS));
    expect(plain).toMatchObject({ code: 0, out: 'SPEAKER_00: words of a.wav\n' });
    const strict = await finish(start(['a.wav', '--strict'], offline, PROGRAM_WITH_MODELS));
    expect(strict).toMatchObject({ code: 4, out: '', err: expect.stringContaining('campplus') });
    expect((await finish(start(['a.wav', '--strict', '--no-diarize'], offline, PROGRAM_WITH_MODELS))).code).toBe(0);
    const other = await finish(start(['a.wav', '--model', 'tiny'], offline, PROGRAM_WITH_MODELS));
    expect(other).toMatchObject({ code: 4, err: expect.stringContaining('tiny') });
  });

  it('tries again when the engine dies', async () => {
    recording('a.wav', { crashUnless: join(folder, 'crashed') });
    const { code, out, err } = await run('a.wav', '-f', 'txt');
    expect(out).toBe('SPEAKER_00: words of a.wav\n');
    expect(code).toBe(0);
    expect(err).toContain('the engine stopped (killed by SIGKILL); the recording is tried once more');
  });

  it('reads standard input, and names it in results and errors', async () => {
    const script = JSON.stringify({ text: 'piped' });
    expect((await finish(start(['-', '-f', 'txt']), script)).out).toBe('SPEAKER_00: piped\n');
    await finish(start(['-', '-o', 'out']), script);
    expect(parsed('out/stdin.json').text).toBe('piped');
    const failed = await finish(start(['-']), JSON.stringify({ text: '', fail: 'input_no_audio' }));
    expect(failed.code).toBe(3);
    expect(failed.err).toContain('diarist: standard input fails as it was told to.');
    const large = await finish(start(['-'], { DIARIST_MAX_INPUT_SIZE: '1kB' }), 'x'.repeat(5000));
    expect(large.code).toBe(3);
    expect(large.out).toBe('');
  });

  it('tells progress as one JSON object a line', async () => {
    recording('a.wav', { steps: 5 });
    const { err, out } = await run('a.wav', '--json-progress', '-f', 'txt');
    expect(out).toBe('SPEAKER_00: words of a.wav\n');
    const told = events(err);
    const progress = told.filter((event) => event.type === 'progress');
    expect(progress).toHaveLength(5);
    expect(progress.at(-1)).toMatchObject({ input: 'a.wav', stage: 'transcribe', audioSeconds: 10, doneSeconds: 10 });
    const fractions = progress.map((event) => Number(event.fraction));
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(told.at(-2)).toMatchObject({ type: 'done', input: 'a.wav', duration: 10, speakers: 1, outputs: [] });
    expect(told.at(-1)).toMatchObject({ type: 'total', recordings: 1, audioSeconds: 10 });
    const failed = await run('missing.wav', '--json-progress');
    expect(events(failed.err)).toMatchObject([{ type: 'error', input: 'missing.wav', code: 'input_not_found' }]);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('stops at once on %s and leaves nothing behind', async (signal, exitCode) => {
    recording('short.wav');
    recording('long.wav', { steps: 10_000 });
    const child = start(['short.wav', 'long.wav', '-o', 'out', '--json-progress']);
    const done = finish(child);
    await new Promise<void>((settle) => {
      let seen = '';
      child.stderr!.on('data', (chunk: Buffer) => {
        seen += chunk;
        if (seen.includes('"done"') && /"progress","input":"long.wav"/.test(seen)) settle();
      });
    });
    const stoppedAt = performance.now();
    child.kill(signal);
    expect((await done).code).toBe(exitCode);
    expect(performance.now() - stoppedAt).toBeLessThan(1500);
    expect(readdirSync(join(folder, 'out'))).toEqual(['short.json']);
  });

  it('ends at once when interrupted twice', async () => {
    recording('long.wav', { steps: 10_000 });
    const child = start(['long.wav', '-o', 'out', '--json-progress']);
    const done = finish(child);
    await once(child.stderr!, 'data');
    child.kill('SIGINT');
    child.kill('SIGINT');
    expect((await done).code).toBe(130);
    expect(readdirSync(join(folder, 'out'))).toEqual([]);
  });

  it('finds a place that cannot be written to before the work starts', async () => {
    recording('a.wav', { crashUnless: join(folder, 'started') });
    writeFileSync(join(folder, 'file'), '');
    for (const place of ['file', 'file/below', '/dev/null']) {
      const { code, err } = await run('a.wav', '-o', place);
      expect(code).toBe(6);
      expect(err).toMatch(/^diarist: .*cannot be written to.*: choose another place with -o\.\n$/);
    }
    expect(existsSync(join(folder, 'started'))).toBe(false);
  });

  it('says that the disk is full', async ({ skip }) => {
    if (!existsSync('/dev/full')) skip('there is no /dev/full here');
    recording('a.wav');
    const { DIARIST_MODEL: _, ...env } = process.env;
    const command = `"${process.execPath}" "${PROGRAM}" transcribe a.wav > /dev/full`;
    const shell = spawn('sh', ['-c', command], { cwd: folder, env: { ...env, DIARIST_DATA: join(folder, 'data') } });
    const { code, err } = await finish(shell);
    expect(code).toBe(6);
    expect(err).toContain('The disk is full where standard output goes');
  });

  it('is content with a reader that wants no more', async () => {
    recording('a.wav', { text: 'word '.repeat(500_000) });
    const child = start(['a.wav']);
    child.stdout!.once('data', () => child.stdout!.destroy());
    child.stderr!.resume();
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
  });

  const wrong: readonly (readonly [string, string])[] = [
    ['--speakers 0', '--speakers must be a whole number from 1 to 100, not "0".'],
    ['--speakers two', '--speakers must be a whole number from 1 to 100, not "two".'],
    ['--min-speakers 3 --max-speakers 2', '--min-speakers 3 is above --max-speakers 2: swap them.'],
    ['--speakers 2 --max-speakers 2', 'Give either --speakers or'],
    ['--no-diarize --speakers 2', '--no-diarize and --speakers exclude each other'],
    ['--no-words --highlight-words', '--no-words and --highlight-words exclude each other'],
    ['-f jsn', 'There is no format "jsn": did you mean json?'],
    ['-l Germn', 'did you mean de (German)'],
    ['--task sing', '--task must be transcribe or translate, not "sing".'],
    ['--device gpu', '--device must be one of auto, cpu'],
    ['--threads many', '--threads must be a whole number'],
    ['--beam-size 0', '--beam-size must be'],
    ['-f rttm --no-diarize', 'rttm holds nothing but speakers'],
    ['--task translate --model BASE.en', 'base.en knows English only and cannot translate: choose --model base'],
    ['-f json,srt', 'add -o DIR'],
    ['b.wav', 'add -o DIR'],
    ['--beam-sise 3', "unknown option '--beam-sise' (Did you mean --beam-size?)"],
  ];
  it.each(wrong)('refuses %s in one sentence', async (args, sentence) => {
    recording('a.wav');
    const { code, out, err } = await run('a.wav', ...args.split(' '));
    expect(err).toContain(sentence);
    expect(err.trim().split('\n')).toHaveLength(1);
    expect(err).toMatch(/^diarist: /);
    expect(code).toBe(2);
    expect(out).toBe('');
  });

  it('refuses a wrong variable, naming it', async () => {
    recording('a.wav');
    mkdirSync(join(folder, 'data'));
    const { code, err } = await finish(start(['a.wav'], { DIARIST_THREADS: 'many' }));
    expect(code).toBe(2);
    expect(err).toBe('diarist: DIARIST_THREADS must be a whole number from 0 to 1024, not "many".\n');
  });
});
