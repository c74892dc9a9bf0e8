import type { Cue, CueRules } from './cue.ts';
import { MAX_HOLD_MS } from './cue-breaks.ts';

/**
 * Gives cues the times they are shown at, from the times they are spoken at: in order, never overlapping, with a short
 * gap between them, long enough to be read where there is room. A cue that is too short to be seen may delay the next
 * one a little; nothing is moved otherwise. The only way a cue ends after the recording is that its words do.
 */
export function settleCueTimes(cues: readonly Cue[], durationMs: number, rules: CueRules): Cue[] {
  const ordered = [...cues].sort((a, b) => a.startMs - b.startMs);
  const settled: Cue[] = [];
  let earliestStart = 0;
  for (const [index, cue] of ordered.entries()) {
    const startMs = Math.max(cue.startMs, earliestStart);
    const spokenEndMs = Math.max(cue.endMs, startMs + 1);
    const wantedEndMs = readableEnd(cue, startMs, spokenEndMs, durationMs, rules);
    const next = ordered[index + 1];
    let endMs = wantedEndMs;
    if (next !== undefined && wantedEndMs + rules.minGapMs > next.startMs) {
      const shortestEndMs = Math.min(wantedEndMs, startMs + rules.minDurationMs);
      endMs = Math.max(next.startMs - rules.minGapMs, shortestEndMs);
      // Two people at once, or a burst of tiny cues: the one that follows must not be pushed past its own speech.
      const latestNextStart = Math.max(next.startMs, next.endMs - rules.minDurationMs);
      if (endMs > latestNextStart) endMs = Math.max(latestNextStart, startMs + 1);
    }
    settled.push({ ...cue, startMs, endMs });
    earliestStart = endMs;
  }
  return settled;
}

function readableEnd(cue: Cue, startMs: number, spokenEndMs: number, durationMs: number, rules: CueRules): number {
  const columns = cue.lines.flat().reduce((sum, token) => sum + token.width + (token.spaceBefore ? 1 : 0), -1);
  const readingMs = Math.ceil((columns * 1000) / rules.columnsPerSecond);
  const heldMs = Math.min(startMs + readingMs, spokenEndMs + MAX_HOLD_MS, startMs + rules.maxDurationMs);
  const wanted = Math.max(spokenEndMs, startMs + rules.minDurationMs, heldMs);
  return Math.min(wanted, Math.max(spokenEndMs, durationMs));
}
