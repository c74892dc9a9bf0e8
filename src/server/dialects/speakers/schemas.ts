import { z } from 'zod';
import { webserviceOptionShape } from '../../webservice-options.ts';

const { task, language, model, num_speakers, min_speakers, max_speakers, initial_prompt, hotwords, strict, encode } =
  webserviceOptionShape;

/** Parameters of the speakers dialect: those of `/asr` that do not contradict its one answer. */
export const speakersFieldsSchema = z.object({
  task,
  language,
  model,
  num_speakers,
  min_speakers,
  max_speakers,
  initial_prompt,
  hotwords,
  strict,
  encode,
});

/** The one shape that recap tools depend on; nothing may be added to it or renamed. */
export const speakersTranscriptSchema = z
  .object({
    duration: z.number().meta({ description: 'Length of the recording in seconds.' }),
    language: z.string().nullable().meta({ description: 'ISO 639-1 code; null where nothing was said.' }),
    speakers_detected: z.array(z.string()),
    segments: z.array(
      z.object({
        start_ms: z.int(),
        end_ms: z.int(),
        speaker: z.string().meta({ description: 'Speaker_0, Speaker_1 … by first appearance, or Speaker_unknown.' }),
        text: z.string(),
      }),
    ),
    models: z.object({ transcription: z.string(), diarization: z.string() }),
  })
  .meta({
    examples: [
      {
        duration: 90.5,
        language: 'en',
        speakers_detected: ['Speaker_0', 'Speaker_1'],
        segments: [{ start_ms: 39308, end_ms: 51000, speaker: 'Speaker_0', text: 'Shall we begin?' }],
        models: { transcription: 'base', diarization: 'segmentation-3.0 + campplus' },
      },
    ],
  });

export type SpeakersTranscript = z.output<typeof speakersTranscriptSchema>;
