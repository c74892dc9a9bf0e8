import { isoLanguageCode } from '../../../core/languages.ts';
import { toJsonTranscript } from '../../../transcript/formats/json.ts';
import type { Transcript } from '../../../transcript/types.ts';
import { speakerBlocks } from './blocks.ts';
import type { SpeakersTranscript } from './schemas.ts';

const UNKNOWN = 'Speaker_unknown';

/** A transcript in the speakers dialect: blocks of one speaker each, speakers numbered by first appearance. */
export function renderSpeakers(transcript: Transcript): SpeakersTranscript {
  const finite = toJsonTranscript(transcript);
  const blocks = speakerBlocks(finite);
  // Those whose turns hold no words come behind those who are quoted.
  const labels = [...blocks.map(({ speaker }) => speaker), ...finite.turns.map(({ speaker }) => speaker)];
  const numbered = new Map<string, string>();
  for (const label of labels) {
    if (label !== undefined && !numbered.has(label)) numbered.set(label, `Speaker_${numbered.size}`);
  }
  return {
    duration: finite.duration,
    language: finite.language === null ? null : isoLanguageCode(finite.language),
    speakers_detected: [...numbered.values()],
    segments: blocks.map(({ startMs, endMs, speaker, text }) => ({
      start_ms: startMs,
      end_ms: endMs,
      speaker: (speaker === undefined ? undefined : numbered.get(speaker)) ?? UNKNOWN,
      text,
    })),
    models: { transcription: finite.models.transcription ?? '', diarization: finite.models.diarization ?? '' },
  };
}
