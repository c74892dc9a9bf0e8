import { DiaristError } from '../../core/errors.ts';
import { type Segment, TRANSCRIPT_SCHEMA, type Transcript } from '../types.ts';
import type { TranscriptFormat } from './format.ts';

/**
 * The whole transcript, as `schema/transcript-1.schema.json` and `docs/transcript.md` describe it. Times are rounded to
 * the millisecond, probabilities to 1e-4, embeddings to 1e-6. JSON has no NaN and no Infinity: a time or probability
 * that is none is written as 0, a log-probability as {@link LOWEST_LOGPROB}, and an embedding that holds one is left out.
 */
export const json: TranscriptFormat<Transcript> = {
  name: 'json',
  extension: 'json',
  contentType: 'application/json; charset=utf-8',
  render: (transcript) => `${indented(toJsonTranscript(transcript))}\n`,
  parse,
};

/** Indented, but lists of numbers (tokens, embeddings) on one line: they would take most of the file's lines. */
function indented(value: unknown): string {
  // A line break cannot stand inside a JSON string, so only lists of numbers can match.
  return JSON.stringify(value, null, 2).replace(/\[\n[\s\d.,eE+-]+\]/g, (list) =>
    list.replace(/\s+/g, ' ').replace('[ ', '[').replace(' ]', ']'),
  );
}

/** Stands for a log-probability of minus infinity. */
export const LOWEST_LOGPROB = -100;

/** The transcript with every number finite and rounded, keys in the documented order: what is safe to serialise. */
export function toJsonTranscript(transcript: Transcript): Transcript {
  return {
    schema: TRANSCRIPT_SCHEMA,
    text: transcript.text,
    language: transcript.language,
    languageProbability: transcript.languageProbability === null ? null : probability(transcript.languageProbability),
    task: transcript.task,
    duration: time(transcript.duration),
    segments: transcript.segments.map(jsonSegment),
    turns: transcript.turns.map(({ start, end, speaker }) => ({ ...span(start, end), speaker })),
    speakers: transcript.speakers.map(({ label, seconds, embedding }) => ({
      label,
      seconds: time(seconds),
      ...(embedding?.every(Number.isFinite) ? { embedding: embedding.map((value) => round(value, 1e6)) } : {}),
    })),
    warnings: transcript.warnings.map(({ code, message }) => ({ code, message })),
    models: transcript.models,
    timings: Object.fromEntries(Object.entries(transcript.timings).map(([stage, seconds]) => [stage, time(seconds)])),
  };
}

function jsonSegment(segment: Segment): Segment {
  return {
    id: segment.id,
    ...span(segment.start, segment.end),
    text: segment.text,
    ...(segment.speaker === undefined ? {} : { speaker: segment.speaker }),
    ...(segment.words === undefined
      ? {}
      : {
          words: segment.words.map((word) => ({
            text: word.text,
            ...span(word.start, word.end),
            probability: probability(word.probability),
            ...(word.speaker === undefined ? {} : { speaker: word.speaker }),
            ...(word.spaceBefore === false ? { spaceBefore: false } : {}),
          })),
        }),
    tokens: segment.tokens,
    temperature: Math.max(0, round(segment.temperature, 1e4)),
    avgLogprob: Number.isFinite(segment.avgLogprob) ? Math.min(0, round(segment.avgLogprob, 1e4)) : LOWEST_LOGPROB,
    compressionRatio: Math.max(0, round(segment.compressionRatio, 1e4)),
    noSpeechProb: probability(segment.noSpeechProb),
    ...(segment.language === undefined ? {} : { language: segment.language }),
  };
}

function round(value: number, steps: number): number {
  // Adding 0 turns the -0 that rounding can give, and JSON would lose, into 0.
  return Number.isFinite(value) ? Math.round(value * steps) / steps + 0 : 0;
}

const time = (value: number): number => Math.max(0, round(value, 1e3));
const probability = (value: number): number => Math.min(1, Math.max(0, round(value, 1e4)));

function span(start: number, end: number): { start: number; end: number } {
  const from = time(start);
  return { start: from, end: Math.max(from, time(end)) };
}

function parse(text: string): Transcript {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DiaristError(
      'input_unreadable',
      'This is no JSON transcript: it is not valid JSON; check that the file is whole.',
      {
        cause: error,
      },
    );
  }
  if (!isTranscript(value)) {
    throw new DiaristError(
      'input_unreadable',
      `This is no transcript of this program: "schema" must be "${TRANSCRIPT_SCHEMA}", with segments, turns and speakers.`,
    );
  }
  return value;
}

/** Checks the outline, not every field: the JSON Schema is there for what comes from elsewhere. */
function isTranscript(value: unknown): value is Transcript {
  if (typeof value !== 'object' || value === null) return false;
  const record = value as Partial<Record<keyof Transcript, unknown>>;
  return (
    record.schema === TRANSCRIPT_SCHEMA &&
    typeof record.text === 'string' &&
    [record.segments, record.turns, record.speakers, record.warnings].every(Array.isArray)
  );
}
