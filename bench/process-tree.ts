import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** What a command and everything it started needed. */
export interface Usage {
  /** From the start of the process to its end. */
  readonly processSeconds: number;
  /** User and system time of the whole tree; null where the system does not say. */
  readonly cpuSeconds: number | null;
  /** Peak of the summed proportional set size: shared pages count once. Null where the system does not say. */
  readonly peakMemoryMb: number | null;
}

export interface MeasuredCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly signal?: AbortSignal;
}

export interface MeasuredResult extends Usage {
  readonly exitCode: number | null;
  readonly stdout: string;
  /** The last lines of standard error. */
  readonly stderr: string;
}

const SAMPLE_MS = 100;
const CLOCK_TICKS_PER_SECOND = 100;
const STDERR_LINES = 20;

/** Runs a command to its end and samples the memory and CPU time of its process tree every 100 ms (Linux). */
export async function measure({ command, args, stdin, signal }: MeasuredCommand): Promise<MeasuredResult> {
  const started = performance.now();
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...(signal === undefined ? {} : { signal }) });
  const sampler = process.platform === 'linux' && child.pid !== undefined ? new TreeSampler(child.pid) : undefined;
  const timer = setInterval(() => sampler?.sample(), SAMPLE_MS);
  const output: string[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => output.push(line));
  createInterface({ input: child.stderr }).on('line', (line) => {
    errors.push(line);
    if (errors.length > STDERR_LINES) errors.shift();
  });
  // A command that does not read its input may be gone before it is written.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin ?? '');
  try {
    const exitCode = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    return {
      exitCode,
      stdout: output.join('\n'),
      stderr: errors.join('\n'),
      processSeconds: (performance.now() - started) / 1000,
      cpuSeconds: sampler?.cpuSeconds ?? null,
      peakMemoryMb: sampler?.peakMemoryMb ?? null,
    };
  } finally {
    clearInterval(timer);
  }
}

/** Memory that a process and everything below it take now, shared pages counted once. Linux only. */
export function treeMemoryMb(root: number): number {
  const sampler = new TreeSampler(root);
  sampler.sample();
  return sampler.peakMemoryMb;
}

class TreeSampler {
  /** Processes of the tree, by id and start time (ids are used again): clock ticks when last seen. */
  readonly #ticks = new Map<string, number>();
  readonly #members: Set<number>;
  #peakKb = 0;

  constructor(root: number) {
    this.#members = new Set([root]);
  }

  sample(): void {
    const processes = listProcesses();
    // A parent may be listed after its child: look until nobody new is found.
    for (let grown = true; grown; ) {
      grown = false;
      for (const { pid, parent } of processes) {
        if (this.#members.has(parent) && !this.#members.has(pid)) {
          this.#members.add(pid);
          grown = true;
        }
      }
    }
    let totalKb = 0;
    for (const { pid, startTime, ticks } of processes) {
      if (!this.#members.has(pid)) continue;
      this.#ticks.set(`${pid}/${startTime}`, ticks);
      totalKb += proportionalKb(pid);
    }
    this.#peakKb = Math.max(this.#peakKb, totalKb);
  }

  get cpuSeconds(): number {
    let ticks = 0;
    for (const own of this.#ticks.values()) ticks += own;
    return ticks / CLOCK_TICKS_PER_SECOND;
  }

  get peakMemoryMb(): number {
    return this.#peakKb / 1024;
  }
}

interface ProcessState {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
  readonly startTime: string;
}

function listProcesses(): ProcessState[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const stat = readOrEmpty(`/proc/${name}/stat`);
    // The name in parentheses may hold spaces and parentheses itself. Fields after it: proc(5), from the third on.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields.length < 20) return [];
    return [
      {
        pid: Number(name),
        parent: Number(fields[1]),
        ticks: Number(fields[11]) + Number(fields[12]),
        startTime: fields[19]!,
      },
    ];
  });
}

function proportionalKb(pid: number): number {
  const match = /^Pss:\s+(\d+) kB/m.exec(readOrEmpty(`/proc/${pid}/smaps_rollup`));
  return match === null ? 0 : Number(match[1]);
}

/** A process may end between being listed and being read. */
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
