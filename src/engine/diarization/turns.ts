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

interface OpenTurn extends SpeakerTurn {
  /** Somebody else talks in the pause before it. */
  readonly interrupted: boolean;
}

/**
 * Joins neighbouring turns of one speaker across pauses up to `pauseSeconds` in which nobody else talks. A pause that is
 * longer than the speech on either side of it stays, for single words far apart are not one turn; joined turns count as
 * one, so that the order of joining does not matter. `turns` are ordered by start.
 */
export function bridgePauses(turns: readonly SpeakerTurn[], pauseSeconds: number): SpeakerTurn[] {
  const bySpeaker = new Map<number, OpenTurn[]>();
  // Latest end of each speaker's turns so far.
  const latestEnd = new Map<number, number>();
  for (const turn of turns) {
    const stack = bySpeaker.get(turn.speaker) ?? [];
    bySpeaker.set(turn.speaker, stack);
    const since = stack.at(-1)?.end ?? 0;
    let interrupted = false;
    for (const [speaker, end] of latestEnd) interrupted ||= speaker !== turn.speaker && end > since;
    let last: OpenTurn = { ...turn, interrupted };
    for (let before = stack.at(-1); before !== undefined; before = stack.at(-1)) {
      const longest = Math.min(pauseSeconds, before.end - before.start, last.end - last.start);
      if (last.interrupted || last.start - before.end > longest) break;
      stack.pop();
      last = { ...before, end: Math.max(before.end, last.end) };
    }
    stack.push(last);
    latestEnd.set(turn.speaker, last.end);
  }
  const joined = [...bySpeaker.values()].flat();
  return joined.map(({ start, end, speaker }) => ({ start, end, speaker })).sort(byStart);
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
