import { DiaristError } from '../../../core/errors.ts';
import { parseLanguage } from '../../../core/languages.ts';
import type { JobOptions } from '../../../jobs/types.ts';
import type { Warning } from '../../../transcript/types.ts';
import { defaultJobOptions, type Fields, parseFields, withWebserviceOptions } from '../../webservice-options.ts';
import { readChunkingStrategy } from './chunking-strategy.ts';
import { type KnownVoice, readKnownVoices } from './known-voices.ts';
import { choiceField, listField } from './list-field.ts';
import {
  type ResponseFormat,
  type TranscriptionFields,
  transcriptionFieldsSchema,
  translationFieldsSchema,
} from './schemas.ts';

/** What the body of the answer shows. */
export interface Output {
  readonly format: ResponseFormat;
  /** `segments` in JSON bodies; diarized_json has them anyway. */
  readonly segments: boolean;
  readonly words: boolean;
  readonly logprobs: boolean;
}

export interface TranscriptionRequest {
  /** Everything but the model and the embeddings of the known voices. */
  readonly options: Omit<JobOptions, 'model' | 'knownSpeakers'>;
  readonly output: Output;
  readonly stream: boolean;
  readonly voices: readonly KnownVoice[];
  /** What the request asked for and the engine has no means to do. */
  readonly warnings: readonly Warning[];
}

/** Formats whose text can be told piece by piece. */
const STREAMED: ReadonlySet<ResponseFormat> = new Set(['json', 'text', 'diarized_json']);
/** Formats that say when something was said, and by whom where that is known. */
const TIMED: ReadonlySet<ResponseFormat> = new Set(['verbose_json', 'srt', 'vtt', 'diarized_json']);

/**
 * Reads the fields of a transcription. `modelName` is what the client called the model: names that end in `-diarize` ask
 * who speaks. Besides OpenAI's fields there are those of Mistral (`context_bias`, `diarize`) and of openasr (`diarize`,
 * `speakers`, `return_speaker_embeddings`), which need no verbose_json for segments and words. Throws `invalid_request`
 * and `unknown_language` with the name of the field, `strict_degraded` where `strict` allows no warning.
 */
export function readTranscription(fields: Fields, modelName: string): TranscriptionRequest {
  const asked = parseFields(transcriptionFieldsSchema, fields);
  const format = asked.response_format ?? 'json';
  const granularities = choiceField(fields, 'timestamp_granularities', ['word', 'segment']);
  const logprobs = choiceField(fields, 'include', ['logprobs']).has('logprobs');
  const voices = readKnownVoices(fields);
  const diarize = wantsSpeakers(asked, format, modelName, voices.length > 0);
  const stream = asked.stream === true && STREAMED.has(format);
  const languages = readLanguages(fields);
  const keywords = ['keywords', 'context_bias'].flatMap((name) => listField(fields, name));
  const hotwords = [asked.hotwords ?? '', ...keywords].filter((one) => one !== '').join(', ');
  const output = {
    format,
    segments: granularities.has('segment') || diarize || (format === 'verbose_json' && granularities.size === 0),
    words: granularities.has('word'),
    logprobs,
  };
  const request: TranscriptionRequest = {
    options: jobOptions('transcribe', {
      ...asked,
      hotwords,
      language: asked.language || (languages.length === 1 ? languages[0] : undefined),
      num_speakers: asked.speakers ?? asked.num_speakers,
      diarize,
      word_timestamps: TIMED.has(format) || diarize || output.words || output.segments || logprobs,
    }),
    output,
    stream,
    voices,
    warnings: [
      ...readChunkingStrategy(fields),
      ...temperatureWarning(asked.temperature),
      ...languagesWarning(asked.language, languages),
      ...(asked.stream === true && !stream ? [streamWarning(format)] : []),
    ],
  };
  return asStrict(request);
}

/** Reads the fields of a translation into English. Throws as {@link readTranscription} does. */
export function readTranslation(fields: Fields): TranscriptionRequest {
  const asked = parseFields(translationFieldsSchema, fields);
  const format = asked.response_format ?? 'json';
  return asStrict({
    options: jobOptions('translate', { ...asked, diarize: false, word_timestamps: TIMED.has(format) }),
    output: { format, segments: format === 'verbose_json', words: false, logprobs: false },
    stream: false,
    voices: [],
    warnings: temperatureWarning(asked.temperature),
  });
}

function wantsSpeakers(
  { diarize, return_speaker_embeddings: embeddings }: TranscriptionFields,
  format: ResponseFormat,
  modelName: string,
  hasVoices: boolean,
): boolean {
  if (format === 'diarized_json') return true;
  // With json and text OpenAI's diarizing model says no speakers.
  return diarize ?? (hasVoices || embeddings === true || (/-diarize$/i.test(modelName) && TIMED.has(format)));
}

type AskedOptions = Pick<TranscriptionFields, 'language' | 'prompt' | 'hotwords' | 'strict' | 'encode'> &
  Partial<Pick<TranscriptionFields, 'num_speakers' | 'min_speakers' | 'max_speakers' | 'return_speaker_embeddings'>> & {
    readonly diarize: boolean;
    readonly word_timestamps: boolean;
  };

function jobOptions(task: JobOptions['task'], asked: AskedOptions): TranscriptionRequest['options'] {
  const { model: _, ...options } = withWebserviceOptions(defaultJobOptions(''), {
    task,
    language: asked.language,
    initial_prompt: asked.prompt,
    hotwords: asked.hotwords,
    strict: asked.strict,
    encode: asked.encode,
    diarize: asked.diarize,
    word_timestamps: asked.word_timestamps,
    num_speakers: asked.num_speakers,
    min_speakers: asked.min_speakers,
    max_speakers: asked.max_speakers,
    return_speaker_embeddings: asked.return_speaker_embeddings,
  });
  return options;
}

function readLanguages(fields: Fields): readonly string[] {
  const param = 'languages';
  return listField(fields, param).map((name) => {
    try {
      return parseLanguage(name.slice(0, 40));
    } catch (error) {
      if (!(error instanceof DiaristError)) throw error;
      throw new DiaristError(error.code, error.message, { cause: error, param });
    }
  });
}

function temperatureWarning(temperature: number | undefined): Warning[] {
  if (temperature === undefined || temperature === 0) return [];
  return [
    {
      code: 'temperature_ignored',
      message: 'temperature changes nothing: decoding begins at 0 and rises by itself where a text looks wrong.',
    },
  ];
}

function languagesWarning(language: string | undefined, languages: readonly string[]): Warning[] {
  if (language || languages.length < 2) return [];
  return [
    {
      code: 'languages_ignored',
      message: 'Several languages do not restrict the detection: it chooses among all that the model knows.',
    },
  ];
}

function streamWarning(format: ResponseFormat): Warning {
  return {
    code: 'stream_ignored',
    message: `${format} cannot be streamed and came in one piece: ask for json, text or diarized_json.`,
  };
}

function asStrict(request: TranscriptionRequest): TranscriptionRequest {
  const [first] = request.warnings;
  if (request.options.strict && first !== undefined) throw new DiaristError('strict_degraded', first.message);
  return request;
}
