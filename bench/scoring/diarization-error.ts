import type { Turn } from '../../src/transcript/types.ts';
import { assign } from './assignment.ts';

/** Seconds of each kind of error, and of speech in the reference (overlapped speech counts once a speaker). */
export interface DiarizationErrors {
  readonly total: number;
  readonly missed: number;
  readonly falseAlarm: number;
  readonly confusion: number;
  /** (missed + falseAlarm + confusion) / total. */
  readonly rate: number;
}

/**
 * Diarization error rate with overlapped speech counted, over the first `duration` seconds, speakers mapped one-to-one
 * so that most time agrees. As pyannote.metrics 4.2: `collar` is the whole width (seconds) of what is left out around
 * each border of a reference turn, half on either side; NIST's md-eval takes it as the width of one side.
 */
export function diarizationErrors(
  reference: readonly Turn[],
  hypothesis: readonly Turn[],
  duration: number,
  collar = 0,
): DiarizationErrors {
  const spans = scoredSpans(reference, hypothesis, duration, collar);
  const mapping = bestMapping(spans);
  let [total, missed, falseAlarm, confusion] = [0, 0, 0, 0];
  for (const { seconds, speaking, heard } of spans) {
    const right = speaking.filter((speaker) => heard.includes(mapping.get(speaker) ?? '')).length;
    total += seconds * speaking.length;
    missed += seconds * Math.max(0, speaking.length - heard.length);
    falseAlarm += seconds * Math.max(0, heard.length - speaking.length);
    confusion += seconds * (Math.min(speaking.length, heard.length) - right);
  }
  const errors = missed + falseAlarm + confusion;
  return { total, missed, falseAlarm, confusion, rate: total > 0 ? errors / total : errors > 0 ? 1 : 0 };
}

interface ScoredSpan {
  readonly seconds: number;
  /** Who speaks by the reference, and by the hypothesis. */
  readonly speaking: readonly string[];
  readonly heard: readonly string[];
}

interface Border {
  readonly time: number;
  readonly change: 1 | -1;
  readonly kind: 'reference' | 'hypothesis' | 'collar';
  readonly speaker: string;
}

/** Stretches in which nothing changes, outside the collars. */
function scoredSpans(
  reference: readonly Turn[],
  hypothesis: readonly Turn[],
  duration: number,
  collar: number,
): ScoredSpan[] {
  const borders: Border[] = [];
  const add = (kind: Border['kind'], speaker: string, start: number, end: number): void => {
    const [from, to] = [Math.max(0, start), Math.min(duration, end)];
    if (to <= from) return;
    borders.push({ time: from, change: 1, kind, speaker }, { time: to, change: -1, kind, speaker });
  };
  for (const turn of reference) {
    add('reference', turn.speaker, turn.start, turn.end);
    if (collar <= 0) continue;
    for (const border of [turn.start, turn.end]) add('collar', '', border - collar / 2, border + collar / 2);
  }
  for (const turn of hypothesis) add('hypothesis', turn.speaker, turn.start, turn.end);
  borders.sort((a, b) => a.time - b.time);

  const spans: ScoredSpan[] = [];
  const active = {
    reference: new Map<string, number>(),
    hypothesis: new Map<string, number>(),
    collar: new Map<string, number>(),
  };
  let before = 0;
  for (const { time, change, kind, speaker } of borders) {
    if (time > before && active.collar.size === 0) {
      spans.push({
        seconds: time - before,
        speaking: [...active.reference.keys()],
        heard: [...active.hypothesis.keys()],
      });
    }
    before = time;
    const count = (active[kind].get(speaker) ?? 0) + change;
    if (count === 0) active[kind].delete(speaker);
    else active[kind].set(speaker, count);
  }
  return spans;
}

/** Reference speaker to hypothesis speaker. */
function bestMapping(spans: readonly ScoredSpan[]): Map<string, string> {
  const speakers = [...new Set(spans.flatMap((span) => span.speaking))];
  const labels = [...new Set(spans.flatMap((span) => span.heard))];
  const together = speakers.map(() => labels.map(() => 0));
  const rowOf = new Map(speakers.map((speaker, index) => [speaker, index]));
  const columnOf = new Map(labels.map((label, index) => [label, index]));
  for (const { seconds, speaking, heard } of spans) {
    for (const speaker of speaking) {
      for (const label of heard) together[rowOf.get(speaker)!]![columnOf.get(label)!]! += seconds;
    }
  }
  const mapping = new Map<string, string>();
  for (const [row, column] of assign(together.map((seconds) => seconds.map((value) => -value))).entries()) {
    if (column >= 0 && together[row]![column]! > 0) mapping.set(speakers[row]!, labels[column]!);
  }
  return mapping;
}
