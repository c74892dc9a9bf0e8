import { isoLanguageCode, languageName } from '../../../core/languages.ts';
import { toJsonTranscript } from '../../../transcript/formats/json.ts';
import { findFormat } from '../../../transcript/formats.ts';
import type { Segment, Transcript, Word } from '../../../transcript/types.ts';
import { logprobsOf } from './logprobs.ts';
import type {
  DiarizedSegment,
  DiarizedTranscription,
  JsonTranscription,
  VerboseSegment,
  VerboseTranscription,
} from './schemas.ts';
import { letterLabels, UNKNOWN_SPEAKER } from './speaker-labels.ts';
import type { Output } from './transcription-request.ts';

export interface RenderedAnswer {
  readonly contentType: string;
  readonly body: string;
}

const TEXT = 'text/plain; charset=utf-8';

/** A transcript in the format that was asked for. `knownNames` are speakers that keep their names. */
export function renderAnswer(transcript: Transcript, output: Output, knownNames: ReadonlySet<string>): RenderedAnswer {
  switch (output.format) {
    case 'json':
      return json(jsonTranscription(toJsonTranscript(transcript), output));
    case 'verbose_json':
      return json(verboseTranscription(toJsonTranscript(transcript), output));
    case 'diarized_json':
      return json(diarizedTranscription(toJsonTranscript(transcript), output, knownNames));
    case 'text':
      return { contentType: TEXT, body: plainText(transcript, output) };
    // Subtitles are plain text to OpenAI's clients, and WebVTT goes by its own type in browsers.
    case 'srt':
      return { contentType: TEXT, body: findFormat('srt').render(transcript) };
    case 'vtt':
      return { contentType: 'text/vtt; charset=utf-8', body: findFormat('vtt').render(transcript) };
  }
}

function json(body: JsonTranscription | VerboseTranscription | DiarizedTranscription): RenderedAnswer {
  return { contentType: 'application/json; charset=utf-8', body: JSON.stringify(body) };
}

/** One line, as OpenAI has it; paragraphs by speaker where speakers were asked for. */
function plainText(transcript: Transcript, { segments }: Output): string {
  const hasSpeakers = segments && transcript.segments.some(({ speaker }) => speaker !== undefined);
  return hasSpeakers ? findFormat('txt').render(transcript) : `${transcript.text}\n`;
}

function jsonTranscription(transcript: Transcript, output: Output): JsonTranscription {
  return {
    text: transcript.text,
    ...(transcript.task === 'transcribe' && { languages: languagesOf(transcript) }),
    ...(output.segments && { segments: transcript.segments.map(verboseSegment) }),
    ...extras(transcript, output),
  };
}

function verboseTranscription(transcript: Transcript, output: Output): VerboseTranscription {
  return {
    task: transcript.task,
    language: verboseLanguage(transcript),
    duration: transcript.duration,
    text: transcript.text,
    ...(output.segments && { segments: transcript.segments.map(verboseSegment) }),
    ...extras(transcript, output),
  };
}

function verboseLanguage({ task, language }: Transcript): string {
  if (task === 'translate') return 'english';
  return language === null ? 'undetermined' : languageName(language).toLowerCase();
}

function diarizedTranscription(
  transcript: Transcript,
  output: Output,
  knownNames: ReadonlySet<string>,
): DiarizedTranscription {
  const labels = letterLabels(transcript, knownNames);
  return {
    task: 'transcribe',
    duration: transcript.duration,
    text: transcript.text,
    segments: diarizedSegments(transcript, labels),
    ...extras(transcript, output, labels),
  };
}

/** Segments with OpenAI's labels; also the events of a stream. The transcript's numbers must be finite. */
export function diarizedSegments({ segments }: Transcript, labels: ReadonlyMap<string, string>): DiarizedSegment[] {
  return segments.map(({ id, start, end, text, speaker }) => ({
    type: 'transcript.text.segment',
    id: `seg_${String(id).padStart(3, '0')}`,
    start,
    end,
    text,
    speaker: labels.get(speaker ?? '') ?? UNKNOWN_SPEAKER,
  }));
}

/** ISO 639-1 codes of what was spoken, the recording's language first. */
export function languagesOf({ language, segments }: Transcript): { code: string }[] {
  const codes = [language, ...segments.map((segment) => segment.language)].filter((code) => typeof code === 'string');
  return [...new Set(codes.map(isoLanguageCode))].map((code) => ({ code }));
}

/** Frames of 10 ms, in which Whisper counts `seek`. */
const SEEK_FRAMES_PER_SECOND = 100;

function verboseSegment(segment: Segment): VerboseSegment {
  const { id, start, end, text, speaker } = segment;
  return {
    id,
    seek: Math.round(start * SEEK_FRAMES_PER_SECOND),
    start,
    end,
    text,
    tokens: [...segment.tokens],
    temperature: segment.temperature,
    avg_logprob: segment.avgLogprob,
    compression_ratio: segment.compressionRatio,
    no_speech_prob: segment.noSpeechProb,
    ...(speaker !== undefined && { speaker, speaker_id: speaker }),
  };
}

function extras(
  transcript: Transcript,
  output: Output,
  labels?: ReadonlyMap<string, string>,
): Omit<JsonTranscription, 'text' | 'languages' | 'segments'> {
  const words = transcript.segments.flatMap((segment) => segment.words ?? []);
  return {
    ...(output.words && { words: words.map((word) => timedWord(word, labels)) }),
    ...(output.logprobs && { logprobs: logprobsOf(words, true) }),
    ...embeddings(transcript, labels),
    usage: { type: 'duration', seconds: transcript.duration },
    ...(transcript.warnings.length > 0 && { warnings: [...transcript.warnings] }),
  };
}

function timedWord(
  { text, start, end, speaker }: Word,
  labels?: ReadonlyMap<string, string>,
): NonNullable<JsonTranscription['words']>[number] {
  return { word: text, start, end, ...(speaker !== undefined && { speaker: labels?.get(speaker) ?? speaker }) };
}

function embeddings(
  { speakers, models }: Transcript,
  labels?: ReadonlyMap<string, string>,
): Pick<JsonTranscription, 'speaker_embeddings' | 'speaker_embedding_model' | 'speaker_embedding_dimension'> {
  const entries = speakers.flatMap(({ label, embedding }) =>
    embedding === undefined ? [] : [[labels?.get(label) ?? label, [...embedding]] as [string, number[]]],
  );
  const dimension = entries[0]?.[1].length;
  if (dimension === undefined) return {};
  return {
    speaker_embeddings: Object.fromEntries(entries),
    ...(models.diarization !== undefined && { speaker_embedding_model: models.diarization }),
    speaker_embedding_dimension: dimension,
  };
}
