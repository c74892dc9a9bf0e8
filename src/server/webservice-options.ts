import { z } from 'zod';
import { wholeNumber } from '../config/value-kinds.ts';
import { DEFAULT_BEAM_SIZE } from '../core/decoding-defaults.ts';
import { DiaristError } from '../core/errors.ts';
import { parseLanguage } from '../core/languages.ts';
import type { JobOptions } from '../jobs/types.ts';

/** Most speakers that may be asked for, as the command line has it. */
const MOST_SPEAKERS = 100;

/** A switch as query strings, forms and JSON spell it. */
export function flag(meaning: string): z.ZodOptional<z.ZodType<boolean, string>> {
  return z
    .stringbool({
      truthy: ['true', '1', 'yes', 'y', 'on', 't'],
      falsy: ['false', '0', 'no', 'n', 'off', 'f'],
      error: 'must be true or false',
    })
    .meta({ type: 'boolean', description: meaning })
    .optional();
}

/** A text; an empty one means that there is none. */
export function optionalText(meaning: string): z.ZodOptional<z.ZodString> {
  return z.string().meta({ description: meaning }).optional();
}

/** A whole number from `least` to `most`, as a query string, a form or JSON spells it. */
export function numberText(meaning: string, least: number, most: number): z.ZodOptional<z.ZodType<number, string>> {
  const number = wholeNumber(least, most);
  return z
    .string()
    .transform((text, context) => number.read(text) ?? refused(context, `must be ${number.expected}`))
    .meta({ type: 'integer', minimum: least, maximum: most, description: meaning })
    .optional();
}

function speakerCount(meaning: string): z.ZodOptional<z.ZodType<number | 'auto', string>> {
  const number = wholeNumber(1, MOST_SPEAKERS);
  return z
    .string()
    .transform((text, context) =>
      /^auto$/i.test(text)
        ? ('auto' as const)
        : (number.read(text) ?? refused(context, `must be ${number.expected}, or auto`)),
    )
    .meta({ type: 'integer', minimum: 1, maximum: MOST_SPEAKERS, description: meaning })
    .optional();
}

/** `issue` completes a sentence that begins with the name of the field: "limit must be …". */
function refused(context: z.RefinementCtx, issue: string): never {
  context.addIssue(issue);
  return z.NEVER;
}

/** The options that `/asr`, the speakers dialect and the jobs have in common, by the names of the whisper webservice. */
export const webserviceOptionShape = {
  task: z
    .enum(['transcribe', 'translate'], { error: 'must be transcribe or translate' })
    .meta({ description: 'translate: what is said, in English.' })
    .optional(),
  language: optionalText('ISO 639-1 code or English name of the language; absent, empty or "auto": it is detected.'),
  model: optionalText('Speech recognition model, as GET /v1/models names it; absent: the default one of the server.'),
  word_timestamps: flag('Times of words. Default true.'),
  diarize: flag('Who said what. Default true, but for subtitles of headerless audio (encode=false).'),
  enable_diarization: flag('Another name of diarize, which goes first where both are given.'),
  num_speakers: speakerCount('How many people speak; goes before min_speakers and max_speakers.'),
  min_speakers: speakerCount('At least so many people speak.'),
  max_speakers: speakerCount('At most so many people speak.'),
  initial_prompt: optionalText('Text that is taken to stand before the recording: names, spelling, style.'),
  hotwords: optionalText('Words that are likely to be said.'),
  return_speaker_embeddings: flag('A voice embedding for each speaker. Default false.'),
  strict: flag('Fail, instead of answering with a warning, where something that was asked for could not be done.'),
  encode: flag('false: the file is headerless audio, 16-bit little-endian, 16 kHz, mono. Default true.'),
  vad_filter: flag('Accepted for compatibility: what is not speech is always left out.'),
};

const webserviceOptionsSchema = z.object(webserviceOptionShape);

export type WebserviceOptions = z.output<typeof webserviceOptionsSchema>;

/** Fields as {@link Form.fields} has them: values by name, in order of arrival. */
export type Fields = ReadonlyMap<string, readonly string[]>;

/**
 * Reads fields with a schema; fields that it does not know are left out, and so are empty ones that are no text, for
 * forms send what nobody filled in. Throws `invalid_request` with one sentence that names the field.
 */
export function parseFields<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  fields: Fields,
): z.output<z.ZodObject<Shape>> {
  const given: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = fields.get(name)?.[0]?.trim();
    if (value === undefined || (value === '' && !isText(schema.shape[name]))) continue;
    given[name] = value;
  }
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const name = String(issue.path[0]);
  throw new DiaristError('invalid_request', `${name} ${issue.message}, not "${shortened(given[name] ?? '')}".`, {
    param: name,
  });
}

function isText(field: unknown): boolean {
  return field instanceof z.ZodOptional && field.unwrap() instanceof z.ZodString;
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** What is done where nobody says anything; `model` is what the default resolves to. */
export function defaultJobOptions(model: string): JobOptions {
  return {
    model,
    task: 'transcribe',
    diarize: true,
    words: true,
    beamSize: DEFAULT_BEAM_SIZE,
    strict: false,
    speakerEmbeddings: false,
  };
}

/**
 * The options of a job with what a request says laid over them. The model is not looked at: the caller resolves it.
 * Throws `unknown_language`, and `invalid_request` where the numbers of speakers contradict each other.
 */
export function withWebserviceOptions(base: JobOptions, asked: WebserviceOptions): JobOptions {
  const language = changed(base.language, asked.language, (text) =>
    text === '' || /^auto$/i.test(text) ? undefined : languageCode(text),
  );
  const prompt = changed(base.prompt, asked.initial_prompt, (text) => (text === '' ? undefined : text));
  const hotwords = changed(base.hotwords, asked.hotwords, (text) => (text === '' ? undefined : text));
  const format = changed(base.format, asked.encode, (encode) => (encode ? undefined : ('s16le' as const)));
  return {
    model: base.model,
    ...(language !== undefined && { language }),
    task: asked.task ?? base.task,
    diarize: asked.diarize ?? asked.enable_diarization ?? base.diarize,
    words: asked.word_timestamps ?? base.words,
    ...speakerNumbers(base, asked),
    ...(prompt !== undefined && { prompt }),
    ...(hotwords !== undefined && { hotwords }),
    beamSize: base.beamSize,
    strict: asked.strict ?? base.strict,
    speakerEmbeddings: asked.return_speaker_embeddings ?? base.speakerEmbeddings,
    ...(base.knownSpeakers !== undefined && { knownSpeakers: base.knownSpeakers }),
    ...(format !== undefined && { format }),
  };
}

function changed<Given, Value>(
  before: Value | undefined,
  given: Given | undefined,
  read: (given: Given) => Value | undefined,
): Value | undefined {
  return given === undefined ? before : read(given);
}

/** An exact number goes before a range; whichever a request gives replaces the other kind. */
function speakerNumbers(
  base: JobOptions,
  asked: WebserviceOptions,
): Pick<JobOptions, 'speakers' | 'minSpeakers' | 'maxSpeakers'> {
  const exact = changed(base.speakers, asked.num_speakers, numberOrNone);
  const rangeAsked = asked.min_speakers !== undefined || asked.max_speakers !== undefined;
  if (exact !== undefined && (asked.num_speakers !== undefined || !rangeAsked)) return { speakers: exact };
  const least = changed(base.minSpeakers, asked.min_speakers, numberOrNone);
  const most = changed(base.maxSpeakers, asked.max_speakers, numberOrNone);
  if (least !== undefined && most !== undefined && least > most) {
    throw new DiaristError('invalid_request', `min_speakers ${least} is above max_speakers ${most}: swap them.`, {
      param: 'min_speakers',
    });
  }
  return { ...(least !== undefined && { minSpeakers: least }), ...(most !== undefined && { maxSpeakers: most }) };
}

function numberOrNone(count: number | 'auto'): number | undefined {
  return count === 'auto' ? undefined : count;
}

function languageCode(text: string): string {
  try {
    return parseLanguage(shortened(text));
  } catch (error) {
    if (!(error instanceof DiaristError)) throw error;
    throw new DiaristError(error.code, error.message, { cause: error, param: 'language' });
  }
}
