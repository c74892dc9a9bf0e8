// node bench/server/run.ts [--only latency,batching,endurance,memory] [--minutes N] [--repeats N] [--label NAME] [--output DIR]
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeMachine, type Machine } from '../machine.ts';
import { type Batching, measureBatching } from './batching.ts';
import { Clips } from './clips.ts';
import { type Endurance, measureEndurance } from './endurance.ts';
import { type IdleMemory, measureIdleMemory } from './idle-memory.ts';
import { type Latency, measureLatency } from './latency.ts';

/** `server.json` of a machine. A measurement that is run replaces its older result. */
interface ServerResults {
  readonly machine: Machine;
  readonly date: string;
  readonly latency?: readonly Latency[];
  readonly batching?: Batching;
  readonly endurance?: Endurance;
  readonly memory?: IdleMemory;
}

const RESULTS = fileURLToPath(new URL('../results', import.meta.url));
const NAMES = ['latency', 'batching', 'endurance', 'memory'] as const;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: NAMES.join(',') },
    minutes: { type: 'string', default: '10' },
    repeats: { type: 'string', default: '15' },
    label: { type: 'string' },
    output: { type: 'string', default: RESULTS },
  },
});
const wanted = new Set(values.only.split(',').map((name) => name.trim()));
for (const name of wanted) {
  if (!(NAMES as readonly string[]).includes(name)) {
    process.stderr.write(`There is no measurement "${name}": use ${NAMES.join(', ')}.\n`);
    process.exit(2);
  }
}

const machine = describeMachine(values.label);
const target = resolve(values.output, machine.label);
const scratch = mkdtempSync(join(tmpdir(), 'diarist-bench-'));
const log = (line: string): void => void process.stderr.write(`${line}\n`);
try {
  const clips = new Clips(scratch);
  const fresh: Omit<ServerResults, 'machine' | 'date'> = {
    ...(wanted.has('latency') && { latency: await measureLatency(clips, scratch, Number(values.repeats)) }),
    ...(wanted.has('batching') && { batching: await measureBatching(clips) }),
    ...(wanted.has('memory') && { memory: await measureIdleMemory(clips) }),
    ...(wanted.has('endurance') && { endurance: await measureEndurance(clips, Number(values.minutes), log) }),
  };
  mkdirSync(target, { recursive: true });
  const file = join(target, 'server.json');
  const results: ServerResults = {
    ...readResults(file),
    ...fresh,
    machine,
    date: new Date().toISOString().slice(0, 10),
  };
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(join(target, 'server.md'), report(results));
  process.stdout.write(report(results));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function readResults(file: string): Partial<ServerResults> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ServerResults;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

function report({ machine: own, date, latency, batching, endurance, memory }: ServerResults): string {
  const lines = [`# The server on ${own.cpu}, ${own.cores} cores (${date})`];
  if (latency) {
    lines.push(
      '',
      `A clip of ${latency[0]?.clipSeconds} s, warm, medians:`,
      '',
      '| | engine ms | over HTTP ms | HTTP adds ms |',
    );
    lines.push('|---|---:|---:|---:|');
    for (const row of latency) lines.push(`| ${row.options} | ${row.engineMs} | ${row.httpMs} | ${row.overheadMs} |`);
  }
  if (batching) {
    const { clips, clipSeconds, oneByOneSeconds, atOnceSeconds, share } = batching;
    lines.push(
      '',
      `${clips} clips of ${clipSeconds} s: ${oneByOneSeconds} s one by one, ${atOnceSeconds} s at once (${share} of it).`,
    );
  }
  if (memory) {
    lines.push(
      '',
      `Memory of everything: ${memory.startedMb} MB after the start, ${memory.workingMb} MB after work, ${memory.unloadedMb} MB idle with the engine unloaded.`,
    );
  }
  if (endurance) {
    const { clients, minutes, requests, turnedAway, errors, eventLoopDelayP99Ms, memoryMbEarly, memoryMbLate } =
      endurance;
    lines.push(
      '',
      `${clients} mixed clients for ${minutes} minutes: ${requests} requests, ${turnedAway} turned away in good order, ${errors.length} errors; event-loop delay p99 at worst ${eventLoopDelayP99Ms} ms; memory ${memoryMbEarly} MB early, ${memoryMbLate} MB late.`,
    );
    for (const error of errors) lines.push(`- ${error}`);
  }
  return `${lines.join('\n')}\n`;
}
