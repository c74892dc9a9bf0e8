import { z } from 'zod';
import { flag, optionalText, webserviceOptionShape } from '../../webservice-options.ts';

/** Parameters of `POST /asr`, in the query or in the form. */
export const asrFieldsSchema = z.object({
  ...webserviceOptionShape,
  output_format: optionalText('json, text (or txt), srt, vtt, tsv or rttm. Default json.'),
  output: optionalText('Another name of output_format, which goes first where both are given.'),
  text_as_segments: flag('"text" is the list of segments, as whisperx-asr-service has it. Default false.'),
  video_file: optionalText('Accepted for compatibility: where the recording comes from.'),
});

/** Parameters of `POST /detect-language`. */
export const detectLanguageFieldsSchema = z.object({
  encode: webserviceOptionShape.encode,
  model: webserviceOptionShape.model,
  video_file: asrFieldsSchema.shape.video_file,
});

const wordSchema = z.object({
  word: z.string(),
  start: z.number().meta({ description: 'Seconds.' }),
  end: z.number().meta({ description: 'Seconds.' }),
  score: z.number().meta({ description: 'Probability of the word, 0 to 1.' }),
  speaker: z.string().optional(),
});

const segmentSchema = z.object({
  start: z.number().meta({ description: 'Seconds.' }),
  end: z.number().meta({ description: 'Seconds.' }),
  text: z.string(),
  speaker: z.string().optional().meta({ description: 'A label such as SPEAKER_00.' }),
  words: z.array(wordSchema).optional(),
});

/** JSON body of `POST /asr`. */
export const asrTranscriptSchema = z
  .object({
    text: z.union([z.string(), z.array(segmentSchema)]),
    language: z.string().nullable().meta({ description: 'ISO 639-1 code; null where nothing was said.' }),
    duration: z.number().meta({ description: 'Length of the recording in seconds.' }),
    segments: z.array(segmentSchema),
    word_segments: z.array(wordSchema),
    speaker_embeddings: z
      .record(z.string(), z.array(z.number()))
      .optional()
      .meta({ description: 'Unit-length voice embedding of each speaker, by the label that the segments have.' }),
    speaker_embedding_model: z.string().optional().meta({
      description: 'What made the embeddings. Those of different models cannot be compared.',
    }),
    speaker_embedding_dimension: z.int().optional(),
    warnings: z.array(z.object({ code: z.string(), message: z.string() })).meta({
      description: 'What was asked for and could not be done in full.',
    }),
  })
  .meta({
    examples: [
      {
        text: 'Good morning.',
        language: 'en',
        duration: 1.42,
        segments: [
          {
            start: 0.31,
            end: 1.1,
            text: 'Good morning.',
            speaker: 'SPEAKER_00',
            words: [
              { word: 'Good', start: 0.31, end: 0.52, score: 0.98, speaker: 'SPEAKER_00' },
              { word: 'morning.', start: 0.52, end: 1.1, score: 0.99, speaker: 'SPEAKER_00' },
            ],
          },
        ],
        word_segments: [
          { word: 'Good', start: 0.31, end: 0.52, score: 0.98, speaker: 'SPEAKER_00' },
          { word: 'morning.', start: 0.52, end: 1.1, score: 0.99, speaker: 'SPEAKER_00' },
        ],
        warnings: [],
      },
    ],
  });

/** Answer of `POST /asr`: JSON, or the transcript as the text of a file. */
export const asrResponse = {
  description: 'The transcript, in the format that was asked for.',
  content: {
    'application/json': { schema: asrTranscriptSchema },
    'text/plain': { schema: z.string().meta({ description: 'text, srt and rttm.' }) },
    'text/vtt': { schema: z.string() },
    'text/tab-separated-values': { schema: z.string() },
  },
};

export type AsrTranscript = z.output<typeof asrTranscriptSchema>;

/** Body of `POST /detect-language`. */
export const detectedLanguageSchema = z
  .object({
    detected_language: z
      .string()
      .meta({ description: 'English name in lower case; "undetermined" where nobody speaks.' }),
    language_code: z.string().meta({ description: 'ISO 639-1 code; "und" where nobody speaks.' }),
    confidence: z.number().meta({ description: 'Probability of the language, 0 to 1.' }),
  })
  .meta({ examples: [{ detected_language: 'german', language_code: 'de', confidence: 0.97 }] });

export type AsrDetectedLanguage = z.output<typeof detectedLanguageSchema>;
