import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { type RunningProgram, startProgram } from '../program.ts';
import { scratchFolder } from '../scratch-folder.ts';

const DAEMON = '/usr/sbin/dockerd';
const DAEMON_START_MS = 30_000;
const DAEMON_END_MS = 20_000;
const POLL_MS = 100;

/**
 * A Docker engine that runs: the machine's own, or one that is started for the test with folders of its own. Disposing
 * of it removes what was made under its names and label, and ends the daemon where it was started here.
 */
export interface DockerEngine extends AsyncDisposable {
  /** Starts the `docker` program on this engine. */
  start(args: readonly string[], options?: { readonly stdin?: Readable }): RunningProgram;
  /** Runs it to its end; resolves to the trimmed standard output and throws what was said when it fails. */
  docker(...args: readonly string[]): Promise<string>;
  /** Name of an image of this test. */
  imageName(part: string): string;
  /** Arguments of `docker run` and `docker volume create` by which things of this test are found and removed. */
  readonly labelled: readonly string[];
}

interface Daemon extends AsyncDisposable {
  readonly socket: string;
}

/** An engine, or the sentence that says why there is none. */
export async function openDockerEngine(): Promise<DockerEngine | string> {
  if (spawnSync('docker', ['--version']).status !== 0) return 'there is no docker program';
  if (spawnSync('docker', ['version'], { stdio: 'ignore' }).status === 0) return engineOf(undefined);
  if (process.getuid?.() !== 0) return 'no Docker daemon answers, and only root can start one';
  if (!existsSync(DAEMON)) return `no Docker daemon answers, and there is no ${DAEMON}`;
  const daemon = await startDaemon();
  return typeof daemon === 'string' ? daemon : engineOf(daemon);
}

function engineOf(daemon: Daemon | undefined): DockerEngine {
  const run = randomUUID().slice(0, 8);
  const label = `diarist.test=${run}`;
  const env = daemon === undefined ? {} : { DOCKER_HOST: `unix://${daemon.socket}` };
  const start: DockerEngine['start'] = (args, options) => startProgram('docker', args, { env, ...options });
  const docker = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await start(args).result;
    if (code !== 0) throw new Error(`docker ${args[0]} ended with ${code}: ${stderr}${stdout}`);
    return stdout.trim();
  };
  const removeAll = async (list: readonly string[], remove: readonly string[]) => {
    const ids = (await docker(...list)).split('\n').filter(Boolean);
    if (ids.length > 0) await docker(...remove, ...new Set(ids));
  };
  return {
    start,
    docker,
    imageName: (part) => `diarist-test:${run}-${part}`,
    labelled: ['--label', label],
    async [Symbol.asyncDispose]() {
      // A daemon of our own loses its whole folder; its containers still have to end before it does.
      await removeAll(['ps', '-aq', '--filter', `label=${label}`], ['rm', '-f', '-v']);
      if (daemon === undefined) {
        await removeAll(['volume', 'ls', '-q', '--filter', `label=${label}`], ['volume', 'rm', '-f']);
        await removeAll(['images', '--format={{.Repository}}:{{.Tag}}', `diarist-test:${run}-*`], ['rmi', '-f']);
      }
      await daemon?.[Symbol.asyncDispose]();
    },
  };
}

async function startDaemon(): Promise<Daemon | string> {
  const scratch = await scratchFolder();
  const socket = scratch.file('docker.sock');
  const hadBridge = existsSync('/sys/class/net/docker0');
  const program = startProgram(
    DAEMON,
    [
      ...['--data-root', scratch.file('data'), '--exec-root', scratch.file('exec'), '--pidfile', scratch.file('pid')],
      ...['--host', `unix://${socket}`],
      // Published ports go through its proxy, so the machine's packet filter stays as it is.
      ...['--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false'],
    ],
    { env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` } },
  );
  let ended = false;
  const result = program.result.finally(() => {
    ended = true;
  });
  const end = async () => {
    program.process.kill('SIGTERM');
    const killer = setTimeout(() => program.process.kill('SIGKILL'), DAEMON_END_MS);
    await result;
    clearTimeout(killer);
    if (!hadBridge) spawnSync('ip', ['link', 'delete', 'docker0']);
    unmountBelow(scratch.path);
    await scratch[Symbol.asyncDispose]();
  };
  const deadline = Date.now() + DAEMON_START_MS;
  while (!ended && Date.now() < deadline) {
    const asked = spawnSync('docker', ['version'], {
      stdio: 'ignore',
      env: { ...process.env, DOCKER_HOST: `unix://${socket}` },
    });
    if (asked.status === 0) return { socket, [Symbol.asyncDispose]: end };
    await delay(POLL_MS);
  }
  await end();
  const { stderr } = await result;
  return `the Docker daemon does not start here: ${stderr.trim().split('\n').at(-1)}`;
}

/** The daemon leaves the name of the machine's own network mounted where a container has used it. */
function unmountBelow(folder: string): void {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  for (const mount of mounts.filter((place) => place.startsWith(`${folder}/`)).reverse()) spawnSync('umount', [mount]);
}
