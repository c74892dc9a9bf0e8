import { setTimeout as delay } from 'node:timers/promises';
import type { DockerEngine } from './docker-engine.ts';

const POLL_MS = 200;
const START_MS = 60_000;

/** How the documentation tells people to run it: nothing may be written but the volumes and /tmp, no right is left. */
export const CONFINED = [
  ...['--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
  ...['--memory', '1500m', '--memory-swap', '1500m', '--pids-limit', '512'],
];

export interface ServerOptions {
  readonly image: string;
  /** Names of volumes by the folder they stand at; the image makes nameless ones where none is given. */
  readonly volumes?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A container of the server that answers on a port of the loopback interface. Disposing removes it, not its volumes. */
export interface ServerContainer extends AsyncDisposable {
  readonly id: string;
  readonly url: string;
  /** A value of `docker inspect`, by its Go template. */
  inspect(template: string): Promise<string>;
  logs(): Promise<string>;
  /** Stops it as `docker stop` does; resolves to its exit code and the seconds that took. */
  stop(): Promise<{ readonly exitCode: number; readonly seconds: number }>;
}

/** Starts a container and waits until its server answers. Throws with its log where it ends before that. */
export async function startServerContainer(engine: DockerEngine, options: ServerOptions): Promise<ServerContainer> {
  const id = await engine.docker(
    ...['run', '--detach', ...engine.labelled, ...CONFINED, '--publish', '127.0.0.1::9000', '--health-interval', '1s'],
    ...Object.entries(options.volumes ?? {}).flatMap(([folder, name]) => ['--volume', `${name}:${folder}`]),
    ...Object.entries(options.environment ?? {}).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    options.image,
  );
  const inspect = (template: string) => engine.docker('inspect', '--format', template, id);
  const logs = async () => {
    const { stdout, stderr } = await engine.start(['logs', id]).result;
    return stdout + stderr;
  };
  const remove = async () => {
    await engine.docker('rm', '--force', '--volumes', id);
  };
  try {
    const url = `http://${await engine.docker('port', id, '9000/tcp')}`;
    await waitUntil(
      async () => {
        if ((await inspect('{{.State.Running}}')) !== 'true') throw new Error(`It ended: ${await logs()}`);
        return await fetch(`${url}/livez`).then(
          (response) => response.ok,
          () => false,
        );
      },
      () => `${url} does not answer`,
    );
    return {
      id,
      url,
      inspect,
      logs,
      async stop() {
        const started = performance.now();
        await engine.docker('stop', id);
        const seconds = (performance.now() - started) / 1000;
        return { exitCode: Number(await inspect('{{.State.ExitCode}}')), seconds };
      },
      [Symbol.asyncDispose]: remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Asks again and again until the answer is yes; throws what `otherwise` says after a minute. */
export async function waitUntil(ask: () => Promise<boolean>, otherwise: () => string): Promise<void> {
  const deadline = Date.now() + START_MS;
  while (!(await ask())) {
    if (Date.now() > deadline) throw new Error(otherwise());
    await delay(POLL_MS);
  }
}
