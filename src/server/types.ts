import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config/config.ts';
import type { Job, JobEvent, Jobs, SpooledFile, Submission } from '../jobs/types.ts';
import type { DetectedLanguage, VoiceRequest } from '../pipeline/types.ts';
import type { Transcript } from '../transcript/types.ts';

/** What a dialect is given. It parses a request into a {@link Submission} and renders a {@link Transcript}. */
export interface ServerContext {
  readonly config: Config;
  readonly jobs: Jobs;
  readonly engines: ClientEngines;
  readonly models: SpeechModels;
  readonly uploads: Uploads;
  readonly answers: Answers;
}

/** What engines do without a job, within the limits of the request's client. Calls beyond them wait. */
export interface ClientEngines {
  /** As `Engines.detectLanguage`; ends when the client hangs up. Throws `quota_exceeded`, `cancelled`, `shutting_down`, too. */
  detectLanguage(request: FastifyRequest, model: string, recording: VoiceRequest): Promise<DetectedLanguage | null>;
  /** As `Engines.embedVoice`; ends when the client hangs up. Throws `quota_exceeded`, `cancelled`, `shutting_down`, too. */
  embedVoice(request: FastifyRequest, voice: VoiceRequest): Promise<readonly number[]>;
}

/** A dialect registers its routes. Its routes name their error envelope: `config: { envelope: 'openai' }`. */
export type Dialect = (app: FastifyInstance, context: ServerContext) => void | Promise<void>;

/** Bodies of errors: `{error}` as OpenAI has it, `{detail, error}` for the whisper webservice. */
export type Envelope = 'openai' | 'asr';

/** Who asks. */
export interface Client {
  /** Id of the API key, or `anonymous`. */
  readonly id: string;
  readonly scopes: ReadonlySet<string>;
}

declare module 'fastify' {
  interface FastifyRequest {
    client: Client;
    /** Job that the request made or joined, and code of the error it was answered with: for logs and metrics. */
    jobId: string | undefined;
    errorCode: string | undefined;
  }
  interface FastifyContextConfig {
    envelope?: Envelope;
    /** Scope that a key must have; `null` needs no key. Default `audio:stt`. */
    scope?: string | null;
    /** Answers whatever name the server is called by, for probes (see `security/host-names.ts`). */
    anyHost?: true;
  }
}

export interface SpeechModel {
  /** Id as clients name it. */
  readonly id: string;
  /** What the engine is started with. */
  readonly model: string;
  readonly ownedBy: string;
  /** Seconds since 1970. */
  readonly created: number;
  /** True where its weights are on disk. */
  readonly present: boolean;
}

export interface SpeechModels {
  /** The models that can be used now: the ones on disk, and the aliases that clients insist on. */
  list(): Promise<readonly SpeechModel[]>;
  /**
   * The engine's name for what a client called a model; absent or empty is the default model, and OpenAI's names
   * (`whisper-1`, `gpt-4o-transcribe` …) are aliases of it. Throws `unknown_model` (400) naming what is available.
   */
  resolve(id: string | undefined): Promise<string>;
}

/** What a request brought: text fields (multipart, urlencoded, JSON or query) and received files. */
export interface Form extends AsyncDisposable {
  /** Values by name in order of arrival; `k`, `k[]` and `k[0]` are all `k`; `k[type]` stays as it is. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  /** Received files by field name. Disposing of the form removes those that were not taken. */
  readonly files: ReadonlyMap<string, SpooledFile>;
  /** Hands a file over; it is not removed with the form any more. */
  take(name: string): SpooledFile | undefined;
}

export interface FormOptions {
  /** Fields that are files, most wanted first; a file under another name is accepted where there is only one. */
  readonly files: readonly string[];
  /** Query parameters count as fields: `wins` over the body. */
  readonly query?: 'wins';
  /** Fields of a JSON body that hold a file in base64: `input_audio.data`. */
  readonly json?: (body: unknown) => {
    fields: Record<string, string | string[]>;
    audio?: { base64: string; name: string };
  };
}

export interface Uploads {
  /**
   * Receives a body: files stream to disk with their SHA-256, never through memory, and the body is always read to its
   * end so that the client hears the answer. Throws `input_too_large`, `invalid_request`, `disk_full`.
   */
  read(request: FastifyRequest, options: FormOptions): Promise<Form>;
}

export interface Answer {
  readonly job: Job;
  readonly transcript: Transcript;
}

/** A job that is told while it runs. */
export interface Followed {
  /** From the first one until the end of the job; they end as well when the client hangs up. */
  readonly events: AsyncIterable<JobEvent>;
  /** After the events: the transcript. Throws the job's error. */
  transcript(): Transcript;
}

/** What a dialect submits; who asks and whether somebody waits is known from the request. */
export type NewSubmission = Omit<Submission, 'client' | 'durable'>;

export interface Waiting {
  /** Accept the job where the queue is full, because its caller waits. */
  readonly waitInQueue?: boolean;
}

export interface Answers {
  /**
   * Submits and waits. Sets `X-Diarist-Job`. When the client hangs up, the wait ends (see {@link Jobs.wait}). With
   * `Prefer: respond-async` the reply is sent here (202 with the job) and undefined returned: the route returns `reply`
   * then. Throws the job's error.
   */
  transcribe(
    request: FastifyRequest,
    reply: FastifyReply,
    submission: NewSubmission,
    options?: Waiting,
  ): Promise<Answer | undefined>;
  /** As {@link transcribe}, but tells what happens to the job while it runs. */
  follow(
    request: FastifyRequest,
    reply: FastifyReply,
    submission: NewSubmission,
    options?: Waiting,
  ): Promise<Followed | undefined>;
  /** Signal that aborts when the client of the request hangs up before it has its answer. */
  hangUp(request: FastifyRequest): AbortSignal;
}
