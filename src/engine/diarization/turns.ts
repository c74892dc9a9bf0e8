import { samplesToSeconds } from '../../core/units.ts';
import { FIRST_FRAME_CENTRE, FRAME_STEP_SAMPLES } from '../../inference/segmentation/geometry.ts';
import type { Turn } from '../../transcript/types.ts';
import type { FrameSpeakers } from './overlap.ts';

/** Pauses of one speaker up to this long, in which nobody else talks, do not end a turn that is read by people. */
export const TURN_PAUSE_SECONDS = 1.5;

export interface SpeakerTurn {
  readonly start: number;
  readonly end: number;
  /** Number of the speaker. */
  readonly speaker: number;
}

/** Label of the n-th speaker to speak, from 0. */
export const speakerLabel = (n: number): string => `SPEAKER_${String(n).padStart(2, '0')}`;

/** Stretches in which each speaker talks, in seconds, ordered by start; those of different speakers may overlap. */
export function turnsOf({ first, second }: FrameSpeakers, totalSamples: number): SpeakerTurn[] {
  const frames = first.length;
  const turns: SpeakerTurn[] = [];
  const openSince = new Map<number, number>();
  for (let t = 0; t <= frames; t++) {
    const a = t < frames ? first[t]! : -1;
    const b = t < frames ? second[t]! : -1;
    for (const [speaker, since] of openSince) {
      if (speaker === a || speaker === b) continue;
      openSince.delete(speaker);
      const turn = { start: edgeSeconds(since, totalSamples), end: edgeSeconds(t, totalSamples), speaker };
      if (turn.end > turn.start) turns.push(turn);
    }
    if (a >= 0 && !openSince.has(a)) openSince.set(a, t);
    if (b >= 0 && !openSince.has(b)) openSince.set(b, t);
  }
  return turns.sort(byStart);
}

/** Where frame t begins to count: half a step before its centre. */
function edgeSeconds(frame: number, totalSamples: number): number {
  if (frame === 0) return 0;
  const sample = frame * FRAME_STEP_SAMPLES + FIRST_FRAME_CENTRE - FRAME_STEP_SAMPLES / 2;
  return samplesToSeconds(Math.min(totalSamples, sample));
}

const byStart = (a: SpeakerTurn, b: SpeakerTurn): number => a.start - b.start || a.end - b.end || a.speaker - b.speaker;

/** Joins neighbouring turns of one speaker across pauses up to `pauseSeconds` in which nobody else talks. */
export function bridgePauses(turns: readonly SpeakerTurn[], pauseSeconds: number): SpeakerTurn[] {
  const bridged: SpeakerTurn[] = [];
  // Place in `bridged` of each speaker's last turn.
  const last = new Map<number, number>();
  // The latest end of all turns so far, by speaker: somebody else talks in a pause when his end lies beyond its start.
  const lastEnd = new Map<number, number>();
  for (const turn of turns) {
    const at = last.get(turn.speaker);
    const open = at === undefined ? undefined : bridged[at]!;
    const disturbed = (since: number): boolean => {
      for (const [speaker, end] of lastEnd) if (speaker !== turn.speaker && end > since) return true;
      return false;
    };
    if (at !== undefined && open !== undefined && turn.start - open.end <= pauseSeconds && !disturbed(open.end)) {
      bridged[at] = { ...open, end: Math.max(open.end, turn.end) };
    } else {
      last.set(turn.speaker, bridged.push(turn) - 1);
    }
    lastEnd.set(turn.speaker, Math.max(lastEnd.get(turn.speaker) ?? 0, turn.end));
  }
  return bridged.sort(byStart);
}

/** Turns with speaker labels in order of first speech; `labels` maps the speakers' numbers. */
export function labelTurns(turns: readonly SpeakerTurn[], labels: ReadonlyMap<number, string>): Turn[] {
  return turns.map(({ start, end, speaker }) => ({ start, end, speaker: labels.get(speaker)! }));
}

/** Labels of all speakers in order of first speech. */
export function labelsInOrder(turns: readonly SpeakerTurn[]): Map<number, string> {
  const labels = new Map<number, string>();
  for (const { speaker } of turns) if (!labels.has(speaker)) labels.set(speaker, speakerLabel(labels.size));
  return labels;
}
