import { z } from 'zod';
import { flag, numberText, optionalText, webserviceOptionShape } from '../../webservice-options.ts';

export const JOB_STATES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;

const time = (meaning: string) => z.iso.datetime().meta({ description: meaning });

/** Fields of `POST /api/jobs`, in the form, in a JSON body or in the query. */
export const newJobFieldsSchema = z.object({
  ...webserviceOptionShape,
  url: optionalText('http or https address of the recording, instead of the file.'),
  reuse: flag('false: run it, even where the same recording with the same options runs or has a result. Default true.'),
  webhook_url: optionalText('Address that is told how the job ended.'),
  webhook_secret: optionalText('Secret (whsec_…) that signs the webhook; absent: the one of the server.'),
});

/** Fields of `POST /api/jobs/{id}/rerun`: what is to be different. */
export const rerunFieldsSchema = z.object(webserviceOptionShape);

/** The part of the path that names a job. */
export const jobParamsSchema = z.object({ id: z.string().meta({ description: 'Id of a job.' }) });

export const jobListFieldsSchema = z.object({
  state: optionalText(`Only jobs in these states, separated by commas: ${JOB_STATES.join(', ')}.`),
  dialect: optionalText('Only jobs that came by this dialect: openai, asr, speakers or jobs.'),
  limit: numberText('Most jobs of a page. Default 50.', 1, 200),
  cursor: optionalText('"next" of the page before.'),
});

export const transcriptFieldsSchema = z.object({
  format: optionalText('json, srt, vtt, tsv, txt or rttm. Default json.'),
});

export const eventsFieldsSchema = z.object({
  after: numberText(
    'Id of the last event that was seen, as the header Last-Event-ID says it.',
    0,
    Number.MAX_SAFE_INTEGER,
  ),
});

const optionsSchema = z
  .object({
    model: z.string(),
    task: z.enum(['transcribe', 'translate']),
    language: z.string().optional(),
    word_timestamps: z.boolean(),
    diarize: z.boolean(),
    num_speakers: z.int().optional(),
    min_speakers: z.int().optional(),
    max_speakers: z.int().optional(),
    initial_prompt: z.string().optional(),
    hotwords: z.string().optional(),
    return_speaker_embeddings: z.boolean(),
    strict: z.boolean(),
    encode: z.boolean(),
  })
  .meta({ description: 'The options of the job, by the names they are asked for with.' });

/** A job as the API shows it. */
export const jobSchema = z
  .object({
    id: z.string(),
    state: z.enum(JOB_STATES),
    progress: z.number().meta({ description: '0 to 1; never falls.' }),
    stage: z.string().optional().meta({ description: 'What is done at the moment: decode, transcribe …' }),
    queuePosition: z.int().optional().meta({ description: 'Jobs that start before this one; 0 is next.' }),
    etaSeconds: z.number().optional().meta({
      description: 'Queued: estimated time until the start. Running: estimated time until the end.',
    }),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
    reason: z.string().optional().meta({ description: 'Why it was cancelled: client, disconnected or deleted.' }),
    dialect: z.string(),
    priority: z.enum(['interactive', 'normal', 'batch']),
    name: z.string().meta({ description: 'Name of the recording, as the client called it.' }),
    bytes: z.int(),
    audioSeconds: z.number().optional(),
    attempts: z.int().meta({ description: 'Times it was started; more than 1 after a crash.' }),
    options: optionsSchema,
    createdAt: time('When it was accepted.'),
    startedAt: time('When it was started.').optional(),
    finishedAt: time('When it ended.').optional(),
    expiresAt: time('When it goes, with all that belongs to it.').optional(),
  })
  .meta({
    examples: [
      {
        id: 'job_01k9zq5w3v9x8t2m4n6p7r8s9t',
        state: 'running',
        progress: 0.42,
        stage: 'transcribe',
        etaSeconds: 38,
        dialect: 'jobs',
        priority: 'normal',
        name: 'meeting.mp3',
        bytes: 28_411_904,
        audioSeconds: 1775.7,
        attempts: 1,
        options: {
          model: 'base',
          task: 'transcribe',
          word_timestamps: true,
          diarize: true,
          return_speaker_embeddings: false,
          strict: false,
          encode: true,
        },
        createdAt: '2026-11-21T09:30:00.000Z',
        startedAt: '2026-11-21T09:30:01.250Z',
      },
    ],
  });

export type JobView = z.output<typeof jobSchema>;

/** What accepts a job answers. */
export const acceptedJobSchema = jobSchema.extend({
  as: z.enum(['new', 'joined', 'stored']).meta({
    description: 'joined: the same recording with the same options runs already; stored: its result is there.',
  }),
});

export const jobPageSchema = z.object({
  jobs: z.array(jobSchema),
  next: z.string().optional().meta({ description: 'Cursor of the next page; absent on the last one.' }),
});

export const deliveriesSchema = z.object({
  deliveries: z.array(
    z.object({
      id: z.string().meta({ description: 'webhook-id of the message; the same at every attempt.' }),
      attempt: z.int(),
      at: time('When it was tried, or will be.'),
      state: z.enum(['pending', 'delivered', 'failed']),
      httpStatus: z.int().optional(),
      error: z.string().optional(),
    }),
  ),
});

export type DeliveriesView = z.output<typeof deliveriesSchema>;
