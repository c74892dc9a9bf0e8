import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { JobBench } from './fixtures/job-bench.ts';

const JOBS = 20;
const KILLS = 25;

const program = new URL('./fixtures/jobs-process.ts', import.meta.url).pathname;

/** Runs the program until it has done all, or until it is killed so long after it opened the jobs. */
async function run(
  dataDir: string,
  webhook: string,
  told: (line: string) => void,
  killAfterMs?: number,
): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, [program, dataDir, String(JOBS), webhook], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const kill = async () => {
    await delay(killAfterMs);
    child.kill('SIGKILL');
  };
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line === 'open' && killAfterMs !== undefined) void kill();
    told(line);
  }
  const [code, signal] = await exit;
  if (killAfterMs === undefined || signal === null) expect([code, signal]).toEqual([0, null]);
}

it(`${KILLS} kills at random moments lose no accepted job, end none twice and repeat no part`, async () => {
  await using bench = new JobBench();
  const messages = new Map<string, Set<string>>();
  const receiver = createServer((request, response) => {
    const id = String(request.headers['webhook-id']);
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const { data } = JSON.parse(body) as { data: { id: string } };
      messages.set(data.id, (messages.get(data.id) ?? new Set()).add(id));
      response.writeHead(204).end();
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const webhook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;

  const accepted = new Map<string, string>();
  const told = (line: string) => {
    const [word, index, id] = line.split(' ');
    if (word !== 'accepted' || !index || !id) return;
    // The retry of a client whose answer got lost finds its job again, under the same id.
    expect(accepted.get(index) ?? id).toBe(id);
    accepted.set(index, id);
  };
  try {
    for (let kill = 0; kill < KILLS; kill++) await run(bench.dataDir, webhook, told, Math.random() * 120);
    await run(bench.dataDir, webhook, told);
  } finally {
    receiver.close();
    receiver.closeAllConnections();
  }

  await bench.reopen();
  expect(accepted.size).toBe(JOBS);
  const { jobs } = bench.jobs.list({ limit: 100 });
  expect(jobs).toHaveLength(JOBS);
  expect(jobs.some(({ attempts }) => attempts > 1)).toBe(true);
  for (const [index, id] of accepted) {
    const words = Array.from({ length: 20 }, (_, word) => `job${index}word${word}`);
    expect(bench.jobs.get(id)).toMatchObject({ state: 'succeeded', progress: 1 });
    expect(bench.jobs.transcript(id)?.text).toBe(words.join(' '));
    const parts: string[] = [];
    const ends: string[] = [];
    for await (const event of bench.jobs.events(id)) {
      if (event.kind === 'part') parts.push(event.part.text);
      if (event.kind === 'state' && event.state === 'succeeded') ends.push(event.state);
    }
    expect(parts).toEqual(words);
    expect(ends).toEqual(['succeeded']);
    expect(messages.get(id)?.size).toBe(1);
  }
  expect(bench.jobs.usage('ana', 0)).toEqual({ jobs: JOBS, audioSeconds: JOBS * 20 });
  expect(readdirSync(bench.jobs.uploadFolder)).toEqual([]);
  expect(readdirSync(join(bench.dataDir, 'jobs')).filter((name) => name.startsWith('job_'))).toHaveLength(JOBS);
}, 120_000);
