import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { DiaristError } from '../core/errors.ts';
import { openSource, type SourceOptions } from './sources.ts';
import { clipFolder, namedPipe } from './test-clips.ts';

const folder = clipFolder();
afterAll(() => folder[Symbol.dispose]());
const tempDir = folder.file('temp');
const bytes = Buffer.alloc(300_000, 'recording ');
const own = folder.file('own file.wav');
writeFileSync(own, bytes);

const left = () => {
  try {
    return readdirSync(tempDir);
  } catch {
    return [];
  }
};

/** What opening fails with; no temporary file may be left. */
async function failure(reference: string, options: Partial<SourceOptions> = {}): Promise<DiaristError> {
  const error = await openSource(reference, { tempDir, ...options }).then(
    () => new Error('it opened'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof DiaristError)) throw error;
  expect(left()).toEqual([]);
  return error;
}

/** A web server on a free port for the time of one test. */
async function serve(listener: RequestListener): Promise<AsyncDisposable & { readonly address: string }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('a file', () => {
  it('is taken where it stands and never removed', async () => {
    for (const reference of [own, pathToFileURL(own).href]) {
      await using source = await openSource(reference, { tempDir });
      expect(source).toMatchObject({ path: resolve(own), name: 'own file.wav', temporary: false });
    }
    expect(readFileSync(own).length).toBe(bytes.length);
  });

  it.skipIf(process.platform === 'win32')('that is a pipe is read to its end', async () => {
    const pipe = namedPipe(folder.file('pipe'));
    const writer = spawn('cp', [own, pipe]);
    {
      await using source = await openSource(pipe, { tempDir });
      expect(source).toMatchObject({ name: 'pipe', temporary: true });
      expect(readFileSync(source.path).equals(bytes)).toBe(true);
    }
    if (writer.exitCode === null) await once(writer, 'exit');
    expect(left()).toEqual([]);
  });
});

describe('stdin', () => {
  it('comes to disk, and is gone afterwards', async () => {
    {
      await using source = await openSource('-', { tempDir, stdin: createReadStream(own) });
      expect(source).toMatchObject({ name: 'stdin', temporary: true });
      expect(readFileSync(source.path).equals(bytes)).toBe(true);
    }
    expect(left()).toEqual([]);
  });

  it('is refused beyond the limit, without being read to the end', async () => {
    let read = 0;
    const endless = new Readable({
      read() {
        read += 65_536;
        this.push(Buffer.alloc(65_536));
      },
    });
    const error = await failure('-', { stdin: endless, limits: { maxBytes: 1_000_000 } });
    expect([error.code, error.message]).toEqual(['input_too_large', expect.stringContaining('1 MB')]);
    expect(read).toBeLessThan(3_000_000);
  });

  it('can be cancelled while nothing comes', async () => {
    const stop = new AbortController();
    const waiting = failure('-', { stdin: new Readable({ read: () => stop.abort() }), signal: stop.signal });
    expect((await waiting).code).toBe('cancelled');
  });

  it('leaves nothing when the program ends in the middle', () => {
    const script = `
      import { openSource } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, 'sources.ts')).href)};
      import { Readable } from 'node:stream';
      const half = new Readable({ read() {} });
      half.push('half');
      openSource('-', { tempDir: ${JSON.stringify(tempDir)}, stdin: half });
      const timer = setInterval(async () => {
        const { readdirSync } = await import('node:fs');
        if (readdirSync(${JSON.stringify(tempDir)}).length === 1) { console.log('seen'); process.exit(3); }
      }, 5);`;
    const run = () =>
      execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    expect(run).toThrow(expect.objectContaining({ status: 3, stdout: Buffer.from('seen\n') }));
    expect(left()).toEqual([]);
  });
});

describe('an address', () => {
  it('is fetched through redirects, named after its last part', async () => {
    await using server = await serve((request, response) => {
      if (request.url === '/start') response.writeHead(302, { location: '/files/my%20talk.mp3?key=1' }).end();
      else response.end(bytes);
    });
    {
      await using source = await openSource(`${server.address}/start`, { tempDir });
      expect(source).toMatchObject({ name: 'start', temporary: true });
      expect(readFileSync(source.path).equals(bytes)).toBe(true);
    }
    await using direct = await openSource(`${server.address}/files/my%20talk.mp3?key=1`, { tempDir });
    expect(direct.name).toBe('my talk.mp3');
  });

  it('sends the user and password of the address to its own host only, and never shows them', async () => {
    const seen: (string | undefined)[] = [];
    await using other = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.statusCode = 500;
      response.end();
    });
    await using server = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(307, { location: `${other.address}/x` }).end();
    });
    const error = await failure(server.address.replace('//', '//ann:s3cret@').concat('/a.wav?token=t0ken'));
    expect(seen).toEqual([`Basic ${Buffer.from('ann:s3cret').toString('base64')}`, undefined]);
    expect(error.code).toBe('network');
    expect(error.message).not.toMatch(/s3cret|t0ken/);
  });

  it.each<[string, RequestListener, string, RegExp]>([
    ['missing', (_, response) => response.writeHead(404).end(), 'input_not_found', /HTTP 404/],
    ['failing', (_, response) => response.writeHead(503).end(), 'network', /HTTP 503/],
    [
      'a web page',
      (_, response) => response.setHeader('content-type', 'text/html; charset=utf-8').end('<p>'),
      'input_undecodable',
      /web page/,
    ],
    [
      'going in circles',
      (_, response) => response.writeHead(301, { location: '/' }).end(),
      'network',
      /redirects more than/,
    ],
    [
      'leading to a file',
      (_, response) => response.writeHead(301, { location: 'file:///etc/hosts' }).end(),
      'network',
      /not http or https/,
    ],
    [
      'stated too large',
      (_, response) => response.setHeader('content-length', 2e6).write('x'),
      'input_too_large',
      /1 MB/,
    ],
    ['growing too large', (_, response) => response.write(Buffer.alloc(1_100_000)), 'input_too_large', /1 MB/],
    [
      'breaking off',
      (_, response) => {
        response.setHeader('content-length', 5000);
        response.write('x', () => response.destroy());
      },
      'network',
      /could not be fetched/,
    ],
    ['stalling', (_, response) => void response.write('x'), 'network', /nothing arrived/],
  ])('%s is refused in a sentence', async (_what, listener, code, words) => {
    await using server = await serve(listener);
    const error = await failure(`${server.address}/a.wav`, { limits: { maxBytes: 1_000_000, stallSeconds: 0.3 } });
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(words)]);
  });

  it('that takes too long in all is given up, though something always comes', async () => {
    await using server = await serve((_, response) => {
      const timer = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(timer));
    });
    const error = await failure(`${server.address}/a.wav`, { limits: { maxSeconds: 0.4 } });
    expect([error.code, error.message]).toEqual(['network', expect.stringContaining('longer than 0.4 seconds')]);
  });

  it('may take as long as somebody likes', async () => {
    await using server = await serve((_, response) => void setTimeout(() => response.end(bytes), 200));
    const limits = { maxSeconds: 1e9, stallSeconds: 1e9 };
    await using source = await openSource(`${server.address}/a.wav`, { tempDir, limits });
    expect(readFileSync(source.path).equals(bytes)).toBe(true);
  });

  it('where nobody listens is a network error', async () => {
    const server = await serve(() => undefined);
    await server[Symbol.asyncDispose]();
    expect((await failure(`${server.address}/a.wav`)).code).toBe('network');
  });

  it.each(['ftp://example.org/a.wav', 'rtsp://camera/stream', 'concat://a'])(
    '%s: another scheme is refused',
    async (reference) => {
      expect((await failure(reference)).code).toBe('usage');
    },
  );
});
