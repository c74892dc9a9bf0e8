import { isoLanguageCode, languageName } from '../../../core/languages.ts';
import type { DetectedLanguage } from '../../../pipeline/types.ts';
import { toJsonTranscript } from '../../../transcript/formats/json.ts';
import type { Transcript, Warning, Word } from '../../../transcript/types.ts';
import type { AsrDetectedLanguage, AsrTranscript } from './schemas.ts';

export interface AsrRenderOptions {
  readonly textAsSegments: boolean;
  readonly speakerEmbeddings: boolean;
}

/** A transcript as whisperx-asr-service shapes it, but that `text` is a string unless the segments are asked for. */
export function renderAsr(transcript: Transcript, options: AsrRenderOptions): AsrTranscript {
  const finite = toJsonTranscript(transcript);
  const segments = finite.segments.map(({ start, end, text, speaker, words }) => ({
    start,
    end,
    text,
    ...(speaker !== undefined && { speaker }),
    ...(words !== undefined && { words: words.map(asrWord) }),
  }));
  const embeddings = options.speakerEmbeddings ? speakerEmbeddings(finite) : undefined;
  return {
    text: options.textAsSegments ? segments : finite.text,
    language: finite.language === null ? null : isoLanguageCode(finite.language),
    duration: finite.duration,
    segments,
    word_segments: segments.flatMap(({ words }) => words ?? []),
    ...embeddings,
    warnings: [...finite.warnings, ...missingEmbeddings(finite, options)],
  };
}

function asrWord({ text, start, end, probability, speaker }: Word): AsrTranscript['word_segments'][number] {
  return { word: text, start, end, score: probability, ...(speaker !== undefined && { speaker }) };
}

function speakerEmbeddings(
  transcript: Transcript,
): Pick<AsrTranscript, 'speaker_embeddings' | 'speaker_embedding_model' | 'speaker_embedding_dimension'> {
  const entries = transcript.speakers.flatMap(({ label, embedding }) =>
    embedding === undefined ? [] : [[label, [...embedding]] as [string, number[]]],
  );
  const dimension = entries[0]?.[1].length;
  return {
    speaker_embeddings: Object.fromEntries(entries),
    ...(transcript.models.diarization !== undefined && { speaker_embedding_model: transcript.models.diarization }),
    ...(dimension !== undefined && { speaker_embedding_dimension: dimension }),
  };
}

/** Without speakers there are no embeddings, and whoever asked for them hears so. */
function missingEmbeddings(transcript: Transcript, { speakerEmbeddings: asked }: AsrRenderOptions): Warning[] {
  const spoken = transcript.segments.length > 0;
  if (!asked || !spoken || transcript.speakers.some(({ embedding }) => embedding !== undefined)) return [];
  return [
    {
      code: 'no_speaker_embeddings',
      message: 'There are no speaker embeddings, because the speakers were not told apart: send diarize=true.',
    },
  ];
}

/**
 * What `/detect-language` answers. Where nobody speaks it is `und` and the name that ISO 639-3 has for it: Bazarr knows
 * `und` as "no language", and its older versions find a language by the name where they do not know the code.
 */
export function renderDetectedLanguage(detected: DetectedLanguage | null): AsrDetectedLanguage {
  if (detected === null) return { detected_language: 'undetermined', language_code: 'und', confidence: 0 };
  const { language, probability } = detected;
  return {
    detected_language: languageName(language).toLowerCase(),
    language_code: isoLanguageCode(language),
    confidence: Number.isFinite(probability) ? Math.round(probability * 1e4) / 1e4 : 0,
  };
}
