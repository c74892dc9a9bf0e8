import { z } from 'zod';
import { flag, optionalText, webserviceOptionShape } from '../../webservice-options.ts';

const RESPONSE_FORMATS = ['json', 'text', 'srt', 'verbose_json', 'vtt', 'diarized_json'] as const;
export type ResponseFormat = (typeof RESPONSE_FORMATS)[number];

const temperature = z
  .string()
  .refine((text) => Number(text) >= 0 && Number(text) <= 1, 'must be a number from 0 to 1')
  .transform(Number)
  .meta({
    type: 'number',
    minimum: 0,
    maximum: 1,
    description:
      'Accepted for compatibility: decoding begins at 0 and rises by itself where a text looks wrong, as with OpenAI at 0.',
  })
  .optional();

const { num_speakers, min_speakers, max_speakers, hotwords, return_speaker_embeddings, strict, encode } =
  webserviceOptionShape;

/** Fields with one value that transcriptions and translations share. */
const sharedShape = {
  model: optionalText('Speech recognition model, as GET /v1/models names it; absent: the default one of the server.'),
  language: optionalText('ISO 639-1 code or English name of the language spoken; absent or empty: it is detected.'),
  prompt: optionalText('Text that is taken to stand before the recording: names, spelling, style.'),
  temperature,
  hotwords,
  strict,
  encode,
};

/** Fields of `POST /v1/audio/transcriptions` that have one value. */
export const transcriptionFieldsSchema = z.object({
  ...sharedShape,
  response_format: z
    .enum(RESPONSE_FORMATS, { error: `must be ${listed(RESPONSE_FORMATS)}` })
    .meta({ description: 'Default json. diarized_json says who spoke, and so do the others with diarize=true.' })
    .optional(),
  stream: flag('Server-sent events while the text comes: json, text and diarized_json only. Default false.'),
  diarize: flag(
    'Who said what, in any format. Default: only for diarized_json, for names ending in -diarize with srt, vtt or verbose_json, and where known speakers are given.',
  ),
  speakers: num_speakers,
  num_speakers,
  min_speakers,
  max_speakers,
  return_speaker_embeddings,
  chunking_strategy: optionalText(
    '"auto", or {"type":"server_vad", …} as JSON or as chunking_strategy[type] and so on. Recordings are always cut at pauses.',
  ),
});

export type TranscriptionFields = z.output<typeof transcriptionFieldsSchema>;

/** Fields of `POST /v1/audio/translations`. */
export const translationFieldsSchema = z.object({
  ...sharedShape,
  response_format: z
    .enum(['json', 'text', 'srt', 'verbose_json', 'vtt'], { error: 'must be json, text, srt, verbose_json or vtt' })
    .meta({ description: 'Default json.' })
    .optional(),
});

/** Fields of a transcription that may come more than once, for the documentation; {@link listField} reads them. */
export const transcriptionListShape = {
  'timestamp_granularities[]': z.array(z.enum(['word', 'segment'])).optional(),
  'include[]': z.array(z.enum(['logprobs'])).optional(),
  'languages[]': z.array(z.string()).optional().meta({ description: 'Languages that may be spoken, ISO 639-1.' }),
  'keywords[]': z.array(z.string()).optional().meta({ description: 'Words that are likely to be said.' }),
  context_bias: z.array(z.string()).optional().meta({ description: 'Another name of keywords (Mistral).' }),
  'known_speaker_names[]': z.array(z.string()).max(4).optional(),
  'known_speaker_references[]': z
    .array(z.string())
    .max(4)
    .optional()
    .meta({ description: 'A few seconds of each known voice, as data URLs in base64, in the order of the names.' }),
};

const seconds = z.number().meta({ description: 'Seconds.' });
const warnings = z
  .array(z.object({ code: z.string(), message: z.string() }))
  .optional()
  .meta({ description: 'What was asked for and could not be done in full. Not in the API of OpenAI.' });

const durationUsageSchema = z.object({ type: z.literal('duration'), seconds });

const logprobSchema = z.object({
  token: z.string().meta({ description: 'A word, with the space before it.' }),
  logprob: z.number().meta({ description: 'Natural logarithm of the mean probability of the tokens of the word.' }),
  bytes: z.array(z.int()).meta({ description: 'UTF-8 bytes of the token.' }),
});
export type Logprob = z.output<typeof logprobSchema>;

const wordSchema = z.object({ word: z.string(), start: seconds, end: seconds, speaker: z.string().optional() });

const segmentSchema = z.object({
  id: z.int(),
  seek: z.int().meta({ description: 'Start of the segment in frames of 10 ms.' }),
  start: seconds,
  end: seconds,
  text: z.string(),
  tokens: z.array(z.int()),
  temperature: z.number(),
  avg_logprob: z.number(),
  compression_ratio: z.number(),
  no_speech_prob: z.number(),
  speaker: z.string().optional().meta({ description: 'With diarize=true.' }),
  speaker_id: z.string().optional().meta({ description: 'The same, as Mistral calls it.' }),
});
export type VerboseSegment = z.output<typeof segmentSchema>;

/** What any JSON body may have beside its own keys. */
const extras = {
  words: z.array(wordSchema).optional(),
  logprobs: z.array(logprobSchema).optional(),
  speaker_embeddings: z.record(z.string(), z.array(z.number())).optional(),
  speaker_embedding_model: z.string().optional(),
  speaker_embedding_dimension: z.int().optional(),
  usage: durationUsageSchema,
  warnings,
};

export const jsonTranscriptionSchema = z
  .object({
    text: z.string(),
    languages: z
      .array(z.object({ code: z.string() }))
      .optional()
      .meta({ description: 'ISO 639-1 codes of the languages spoken; empty where nobody speaks.' }),
    segments: z.array(segmentSchema).optional(),
    ...extras,
  })
  .meta({
    examples: [{ text: 'Good morning.', languages: [{ code: 'en' }], usage: { type: 'duration', seconds: 1.42 } }],
  });
export type JsonTranscription = z.output<typeof jsonTranscriptionSchema>;

export const verboseTranscriptionSchema = z.object({
  task: z.enum(['transcribe', 'translate']),
  language: z.string().meta({ description: 'English name in lower case; "undetermined" where nobody speaks.' }),
  duration: seconds,
  text: z.string(),
  segments: z.array(segmentSchema).optional(),
  ...extras,
});
export type VerboseTranscription = z.output<typeof verboseTranscriptionSchema>;

const diarizedSegmentSchema = z.object({
  type: z.literal('transcript.text.segment'),
  id: z.string(),
  start: seconds,
  end: seconds,
  text: z.string(),
  speaker: z
    .string()
    .meta({ description: 'A known name, or A, B … by first appearance; "unknown" where nobody knows.' }),
});
export type DiarizedSegment = z.output<typeof diarizedSegmentSchema>;

export const diarizedTranscriptionSchema = z.object({
  task: z.literal('transcribe'),
  duration: seconds,
  text: z.string(),
  segments: z.array(diarizedSegmentSchema),
  ...extras,
});
export type DiarizedTranscription = z.output<typeof diarizedTranscriptionSchema>;

/** What one event of a stream says. */
export const streamEventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('transcript.text.delta'),
    delta: z.string(),
    logprobs: z.array(logprobSchema).optional(),
  }),
  diarizedSegmentSchema,
  z.object({
    type: z.literal('transcript.text.done'),
    text: z.string().meta({ description: 'All deltas, joined.' }),
    languages: z.array(z.object({ code: z.string() })).optional(),
    logprobs: z.array(logprobSchema).optional(),
    usage: z.object({
      type: z.literal('tokens'),
      input_tokens: z.int(),
      output_tokens: z.int(),
      total_tokens: z.int(),
      input_token_details: z.object({ text_tokens: z.int(), audio_tokens: z.int() }),
      seconds,
    }),
    warnings,
  }),
]);
export type StreamEvent = z.output<typeof streamEventSchema>;

export const modelSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int().meta({ description: 'Seconds since 1970.' }),
  owned_by: z.string(),
});
export type ModelBody = z.output<typeof modelSchema>;

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}
