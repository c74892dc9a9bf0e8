import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measure } from '../process-tree.ts';
import { type Contender, failedRun, type Heard, NOTHING_HEARD } from './contender.ts';
import { missingPeer, ownScript, type PeerFolders, peerPython, timedPeer } from './peer-python.ts';

const BATCH = 8;

interface FasterWhisperResult {
  readonly language: string;
  readonly segments: readonly { readonly text: string }[];
}

/** faster-whisper in batched int8 mode, same weights as ours. */
export function fasterWhisper(beam: number, peers: PeerFolders, threads: number): Contender {
  const script = join(peers.scripts, 'faster_whisper_run.py');
  const manyScript = ownScript('faster_whisper_files.py');
  const model = join(peers.cache, 'whisper-base');
  const name = beam === 1 ? 'faster-whisper greedy' : `faster-whisper beam ${beam}`;
  const settings = ['--batch', String(BATCH), '--beam', String(beam), '--threads', String(threads)];
  return {
    name,
    work: 'recognition',
    settings: `batched ${BATCH}, int8, beam ${beam}, ${threads} threads`,
    unavailable: () => missingPeer(peers, script, model),
    async timed(file) {
      const folder = mkdtempSync(join(tmpdir(), 'diarist-bench-'));
      try {
        const out = join(folder, 'result.json');
        const args = [script, file.path, '--out', out, '--model', model, '--compute', 'int8', ...settings];
        return await timedPeer(name, peers, args, () =>
          heardIn(JSON.parse(readFileSync(out, 'utf8')) as FasterWhisperResult),
        );
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    async hear(files) {
      const run = await measure({
        command: peerPython(peers),
        args: [manyScript, model, ...settings],
        stdin: JSON.stringify(files),
      });
      if (run.exitCode !== 0) throw failedRun(name, run.exitCode, run.stderr);
      const lines = run.stdout.split('\n').filter((line) => line.startsWith('{'));
      return new Map(
        lines.map((line) => {
          const { id, result } = JSON.parse(line) as { id: string; result: FasterWhisperResult };
          return [id, heardIn(result)];
        }),
      );
    },
  };
}

function heardIn({ language, segments }: FasterWhisperResult): Heard {
  return { ...NOTHING_HEARD, language, text: segments.map((segment) => segment.text.trim()).join(' ') };
}
