import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measure } from '../process-tree.ts';
import type { TimedWord } from '../scoring/word-times.ts';
import { type Contender, failedRun, type Heard, NOTHING_HEARD } from './contender.ts';
import { missingPeer, ownScript, type PeerFolders, peerPython, timedPeer } from './peer-python.ts';

const BATCH = 8;

interface FasterWhisperResult {
  readonly language: string;
  readonly segments: readonly { readonly text: string; readonly words: readonly TimedWord[] }[];
}

export interface FasterWhisperSettings {
  readonly beam: number;
  readonly peers: PeerFolders;
  readonly threads: number;
  /** Number format; default int8. */
  readonly compute?: 'int8' | 'float32';
  /** With word times; default without. */
  readonly words?: boolean;
}

/** faster-whisper in batched mode, same weights as ours. */
export function fasterWhisper({
  beam,
  peers,
  threads,
  compute = 'int8',
  words = false,
}: FasterWhisperSettings): Contender {
  const script = join(peers.scripts, 'faster_whisper_run.py');
  const manyScript = ownScript('faster_whisper_files.py');
  const model = join(peers.cache, 'whisper-base');
  const search = beam === 1 ? 'greedy' : `beam ${beam}`;
  const name = ['faster-whisper', search, ...(compute === 'int8' ? [] : [compute])].join(' ');
  const settings = [
    ...['--batch', String(BATCH), '--beam', String(beam), '--threads', String(threads), '--compute', compute],
    ...(words ? ['--words'] : []),
  ];
  return {
    name,
    work: 'recognition',
    settings: `batched ${BATCH}, ${compute}, beam ${beam}, ${threads} threads`,
    unavailable: () => missingPeer(peers, script, model),
    async timed(file) {
      const folder = mkdtempSync(join(tmpdir(), 'diarist-bench-'));
      try {
        const out = join(folder, 'result.json');
        const args = [script, file.path, '--out', out, '--model', model, ...settings];
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
  return {
    ...NOTHING_HEARD,
    language,
    text: segments.map((segment) => segment.text.trim()).join(' '),
    words: segments.flatMap((segment) => segment.words),
  };
}
