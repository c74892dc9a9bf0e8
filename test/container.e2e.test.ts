import { cpSync, createReadStream, openAsBlob, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { baseImage } from './container/base-image.ts';
import { type DockerEngine, openDockerEngine } from './container/docker-engine.ts';
import { CONFINED, startServerContainer, waitUntil } from './container/server-container.ts';
import { diarist, repositoryRoot } from './program.ts';
import { samplePath } from './recordings.ts';
import { scratchFolder } from './scratch-folder.ts';

const STARTER_MODELS = ['base', 'segmentation-3.0', 'campplus'];
const BUILD_MS = 540_000;

let engine: DockerEngine;
let skipped: string | undefined;
let image: string;
let offlineImage: string;
let sample: string;

beforeAll(async () => {
  const opened = await openDockerEngine();
  if (typeof opened === 'string') {
    skipped = opened;
    console.log(`Skipped: the container is not tested, for ${skipped}.`);
    return;
  }
  engine = opened;
  sample = await samplePath();
  image = await buildImage(await baseImage(engine));
  offlineImage = await buildOfflineImage(image);
}, BUILD_MS);

afterAll(async () => {
  await engine?.[Symbol.asyncDispose]();
}, 60_000);

beforeEach((context) => {
  if (skipped !== undefined) context.skip(skipped);
});

const { version } = JSON.parse(readFileSync(path.join(repositoryRoot, 'package.json'), 'utf8')) as { version: string };

async function buildImage(base: string): Promise<string> {
  const name = engine.imageName('server');
  await engine.docker(
    // The packages come from where this machine gets them; a bridge may lead nowhere here.
    ...['build', '--network', 'host', '--file', path.join(repositoryRoot, 'docker/Dockerfile'), '--tag', name],
    ...['--build-arg', `BASE=${base}`, '--build-arg', `VERSION=${version}`],
    // The models of this machine are put in by the offline variant; fetching them again would need apt in the base.
    ...['--build-arg', 'STARTER_MODELS=', repositoryRoot],
  );
  return name;
}

async function buildOfflineImage(from: string): Promise<string> {
  await using models = await scratchFolder();
  for (const model of STARTER_MODELS) {
    const { stdout } = await diarist(['models', 'path', model]);
    cpSync(stdout.trim(), models.file(`models/${model}`), { recursive: true });
  }
  const name = engine.imageName('offline');
  await engine.docker(
    ...['build', '--network', 'none', '--file', path.join(repositoryRoot, 'docker/offline.Dockerfile'), '--tag', name],
    ...['--build-arg', `IMAGE=${from}`, models.path],
  );
  return name;
}

async function post(url: string, file: Blob): Promise<Response> {
  const form = new FormData();
  form.append('audio_file', file, 'call.wav');
  return await fetch(url, { method: 'POST', body: form });
}

describe('the image', () => {
  it('runs the command line with no network, no rights and no writable root', async () => {
    const run = ['run', '--rm', '--interactive', ...engine.labelled, ...CONFINED, '--network', 'none', offlineImage];
    expect(await engine.docker(...run, '--version')).toBe(version);
    const doctor = await engine.docker(...run, 'doctor');
    expect(doctor).toMatch(/Recordings can be transcribed here/);
    expect(doctor).toMatch(/model base +\/opt\/starter/);

    const transcribe = engine.start([...run, 'transcribe', '-', '-f', 'txt'], { stdin: createReadStream(sample) });
    const { code, stdout, stderr } = await transcribe.result;
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/SPEAKER_01: .*I'm in New Jersey/s);
  });

  it('says what it is, runs as nobody, and holds binaries of one platform', async () => {
    const config = JSON.parse(await engine.docker('inspect', '--format', '{{json .Config}}', image));
    expect(config).toMatchObject({
      User: '1000:1000',
      ExposedPorts: { '9000/tcp': {} },
      Volumes: { '/models': {}, '/data': {} },
      Labels: { 'org.opencontainers.image.version': version, 'org.opencontainers.image.licenses': 'MIT' },
    });
    const binaries = '/opt/diarist/node_modules/onnxruntime-node/bin/';
    const list = ['run', '--rm', ...engine.labelled, '--entrypoint', 'find', image, binaries, '-name', '*.node'];
    const places = (await engine.docker(...list)).split('\n').map((file) => file.slice(binaries.length));
    expect(places).toEqual([`napi-v6/${process.platform}/${process.arch}/onnxruntime_binding.node`]);
  });
});

describe('the server in a container', () => {
  it('takes the place of the reference service: its port, its variables, its answers', async () => {
    await using server = await startServerContainer(engine, {
      image: offlineImage,
      environment: { DEVICE: 'cuda', COMPUTE_TYPE: 'float16', PRELOAD_MODEL: 'base', MAX_FILE_SIZE_MB: '1' },
    });
    const answer = await post(`${server.url}/asr?output=srt&diarize=true`, await openAsBlob(sample));
    const subtitles = await answer.text();
    expect(answer.status, subtitles).toBe(200);
    expect(subtitles).toMatch(/^1\n00:00:0\d,\d{3} --> 00:00:/);
    expect(subtitles).toMatch(/SPEAKER_01/);
    expect(subtitles.replaceAll(/\s+/g, ' ')).toMatch(/New Jersey/);

    const tooLarge = await post(`${server.url}/asr`, new Blob([new Uint8Array(2 * 2 ** 20)]));
    expect(tooLarge.status).toBe(413);

    const health = await fetch(`${server.url}/health`).then((response) => response.json());
    expect(health).toMatchObject({ status: 'healthy', device: 'cpu', loaded_models: ['base'], diarizer_loaded: true });
    await waitUntil(
      async () => (await server.inspect('{{.State.Health.Status}}')) === 'healthy',
      () => 'the health check never succeeded',
    );
    const log = await server.logs();
    expect(log).toMatch(/COMPUTE_TYPE.*float16/);
    expect(log).toMatch(/without an API key/);
    expect(log).not.toMatch(/Jersey|call\.wav/);

    const stopped = await server.stop();
    expect(stopped.exitCode).toBe(0);
    expect(stopped.seconds).toBeLessThan(10);
  });

  it('reaps processes that lost their parent', async () => {
    await using server = await startServerContainer(engine, { image: offlineImage });
    // The shell ends at once and leaves its child to process 1.
    await engine.docker('exec', server.id, 'sh', '-c', 'sleep 5 >/dev/null 2>&1 &');
    const sleeping = async () =>
      (await engine.docker('exec', server.id, 'sh', '-c', 'cat /proc/[0-9]*/stat 2>/dev/null || true')).includes(
        '(sleep)',
      );
    expect(await sleeping()).toBe(true);
    await waitUntil(
      async () => !(await sleeping()),
      () => 'a dead process is still there',
    );
  });

  it('asks for API keys when it is told to, and does not start where nobody could have one', async () => {
    const data = await engine.docker('volume', 'create', ...engine.labelled);
    const environment = { DIARIST_ALLOW_ANONYMOUS: 'false' };
    const options = { image: offlineImage, environment, volumes: { '/data': data } };
    await expect(startServerContainer(engine, options)).rejects.toThrow(/diarist keys create/);
    const create = ['run', '--rm', ...engine.labelled, ...CONFINED, '--volume', `${data}:/data`, offlineImage];
    const key = await engine.docker(...create, 'keys', 'create', 'speakr');
    await using server = await startServerContainer(engine, options);
    const status = async (headers: Record<string, string>) =>
      (await fetch(`${server.url}/api/jobs`, { headers })).status;
    expect(await status({})).toBe(401);
    expect(await status({ authorization: `Bearer ${key}x` })).toBe(401);
    expect(await status({ authorization: `Bearer ${key}` })).toBe(200);
    expect(await server.logs()).not.toContain(key);
  });

  it('goes on after a stop with the jobs, transcripts and graphs of its volumes', async () => {
    const volumes: Record<string, string> = {};
    for (const folder of ['/models', '/data']) {
      volumes[folder] = await engine.docker('volume', 'create', ...engine.labelled);
    }
    let job: string;
    {
      await using first = await startServerContainer(engine, { image: offlineImage, volumes });
      const form = new FormData();
      form.append('file', await openAsBlob(sample), 'call.wav');
      const accepted = await fetch(`${first.url}/api/jobs`, { method: 'POST', body: form });
      expect(accepted.status).toBe(202);
      job = ((await accepted.json()) as { id: string }).id;
      const stopped = await first.stop();
      expect(stopped.exitCode).toBe(0);
      expect(stopped.seconds).toBeLessThan(10);
    }
    await using second = await startServerContainer(engine, { image: offlineImage, volumes });
    const state = async () =>
      ((await fetch(`${second.url}/api/jobs/${job}`).then((response) => response.json())) as { state: string }).state;
    await waitUntil(
      async () => !['queued', 'running'].includes(await state()),
      () => 'the job never ended',
    );
    expect(await state()).toBe('succeeded');
    const transcript = await fetch(`${second.url}/api/jobs/${job}/transcript?format=txt`);
    expect(await transcript.text()).toMatch(/New Jersey/);
    const graphs = await engine.docker('exec', second.id, 'ls', '/models/graphs');
    expect(graphs).toMatch(/whisper/);
  });
});
