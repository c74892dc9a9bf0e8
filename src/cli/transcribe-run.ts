import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openSource } from '../audio/sources.ts';
import type { Config } from '../config/config.ts';
import { DiaristError, type ErrorCode, toDiaristError } from '../core/errors.ts';
import { EngineHost, type EngineHostEvent, engineHostOptions } from '../host/engine-host.ts';
import { createSpoolFolder, removeSpoolFolder } from '../host/spool-folder.ts';
import { catalogueEntry } from '../models/catalogue.ts';
import { type NeededModel, neededModels } from '../models/needed-models.ts';
import { ModelStore } from '../models/store.ts';
import type { TranscribeOptions } from '../pipeline/types.ts';
import { findFormat, renderTranscript } from '../transcript/formats.ts';
import type { Transcript } from '../transcript/types.ts';
import type { Interruption } from './interruption.ts';
import { exists, inputName, type OutputFile, prepareFolder, resultNames, writeFiles } from './outputs.ts';
import { writeToStandardOutput } from './standard-output.ts';
import type { ResultPlan } from './transcribe-options.ts';
import type { TranscribeReporter } from './transcribe-reporter.ts';

/** What a test may put in the place of the real engine. */
export interface TranscribeParts {
  /** Module that the engine process runs. */
  readonly engineModule?: URL;
  /** False where the engine needs none of the models. */
  readonly fetchesModels?: boolean;
}

export interface TranscribeRun {
  readonly inputs: readonly string[];
  readonly options: TranscribeOptions;
  readonly results: ResultPlan;
  readonly overwrite: boolean;
  readonly highlightWords: boolean;
  readonly config: Config;
  readonly reporter: TranscribeReporter;
  readonly interruption: Interruption;
  readonly parts: TranscribeParts;
}

/**
 * Recordings that are in the engine at the same time. Their chunks share batches, so that many short files are as fast
 * as one long one; more than fill a batch would only hold ffmpeg processes and spool files.
 */
const RECORDINGS_IN_FLIGHT = 8;

interface Job {
  readonly id: string;
  readonly input: string;
  /** The input as messages call it. */
  readonly label: string;
  /** The input as results call it. */
  readonly name: string;
  readonly files: readonly OutputFile[];
}

/**
 * Transcribes the inputs and writes the results. Failures of single inputs are reported and do not stop the others.
 * Returns the exit code: the one of the first input that failed, or 0. Throws what stops all of them.
 */
export async function runTranscribe(run: TranscribeRun): Promise<number> {
  const { config, results, reporter, interruption } = run;
  refuseEnglishOnlyTranslation(config.settings.model, run.options.task);
  if (results.folder !== undefined) await prepareFolder(resolve(results.folder));
  const inputs = distinctInputs(run.inputs);
  const jobs = pendingJobs(run, inputs);
  const failures = new Map<string, DiaristError>();
  const fail = (job: Job, error: unknown): void => {
    const failure = toDiaristError(error);
    failures.set(job.id, failure);
    if (!interruption.signal.aborted) reporter.failed(job.id, job.label, failure);
  };
  const waiting: Job[] = [];
  for (const job of jobs) {
    const missing = missingInput(job.input);
    if (missing === undefined) waiting.push(job);
    else fail(job, missing);
  }
  const exitCode = (): number =>
    jobs.map((job) => failures.get(job.id)).find((failure) => failure !== undefined)?.exitCode ?? 0;
  if (waiting.length === 0) return exitCode();
  await ensureModels(run);
  reporter.begin();
  await using host = new EngineHost({
    ...engineHostOptions(config),
    ...(run.parts.engineModule && { childModule: run.parts.engineModule }),
    onEvent: (event) => log(run, event),
  });
  const worker = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      try {
        await transcribeOne(run, host, job);
      } catch (error) {
        fail(job, error);
      }
      if (interruption.signal.aborted) return;
    }
  };
  try {
    await Promise.all(Array.from({ length: RECORDINGS_IN_FLIGHT }, worker));
  } finally {
    reporter.end();
  }
  interruption.signal.throwIfAborted();
  reporter.total();
  return exitCode();
}

/** Models known to write English only; of others the engine finds out. */
function refuseEnglishOnlyTranslation(model: string, task: TranscribeOptions['task']): void {
  const name = catalogueEntry(model)?.name;
  if (task !== 'translate' || name?.endsWith('.en') !== true) return;
  throw new DiaristError(
    'usage',
    `${name} knows English only and cannot translate: choose --model ${name.slice(0, -'.en'.length)}, or --task transcribe.`,
  );
}

/** Found before models are fetched for nothing. Whatever else is wrong with an input is found when it is opened. */
function missingInput(input: string): DiaristError | undefined {
  if (isAddress(input) || input === '-') return undefined;
  try {
    statSync(input);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') return undefined;
    return new DiaristError('input_not_found', `"${input}" does not exist: check the name.`);
  }
}

async function transcribeOne(run: TranscribeRun, host: EngineHost, job: Job): Promise<void> {
  const { config, reporter, interruption, options } = run;
  const { maxInputBytes, urlTimeoutSeconds, dataDir } = config.settings;
  const startedAt = performance.now();
  const brought = isBroughtToDisk(job.input);
  const tempDir = brought ? createSpoolFolder(dataDir) : join(dataDir, 'spool');
  try {
    await using recording = await openSource(job.input, {
      tempDir,
      limits: {
        maxSeconds: urlTimeoutSeconds,
        maxBytes: maxInputBytes > 0 ? maxInputBytes : Number.POSITIVE_INFINITY,
      },
      signal: interruption.signal,
    });
    const shown = job.input === '-' ? 'standard input' : job.label;
    const naming = (message: string): string => message.replaceAll(recording.path, shown);
    const found = await host
      .transcribe(
        { id: job.id, path: recording.path, options },
        { signal: interruption.signal, onProgress: (progress) => reporter.progress(job.label, progress) },
      )
      .catch((error: unknown) => {
        if (!(error instanceof DiaristError)) throw error;
        throw new DiaristError(error.code, naming(error.message), { cause: error });
      });
    const warnings = found.warnings.map((warning) => ({ ...warning, message: naming(warning.message) }));
    const transcript = { ...found, warnings };
    await write(run, job, transcript);
    const wallSeconds = (performance.now() - startedAt) / 1000;
    reporter.done({ id: job.id, name: job.label, transcript, wallSeconds, paths: job.files.map((file) => file.path) });
  } finally {
    if (brought) await removeSpoolFolder(tempDir);
  }
}

async function write(run: TranscribeRun, job: Job, transcript: Transcript): Promise<void> {
  const { results, highlightWords } = run;
  const render = (format: string): string =>
    renderTranscript(transcript, format, { times: results.times, highlightWords, recordingName: job.name });
  run.interruption.signal.throwIfAborted();
  if (results.folder === undefined) {
    // Result and progress may share a terminal.
    run.reporter.end();
    await writeToStandardOutput(render(results.formats[0]!));
  } else await writeFiles(job.files.map(({ format, path }) => ({ path, text: render(format) })));
}

/** What is left to do. Of a recording that is done in part, the missing formats. */
function pendingJobs(run: TranscribeRun, inputs: readonly string[]): Job[] {
  const { folder, formats } = run.results;
  const names = resultNames(inputs);
  const jobs: Job[] = [];
  for (const [index, input] of inputs.entries()) {
    const files = (folder === undefined ? [] : formats).map((format) => ({
      format,
      path: join(folder!, `${names[index]}.${findFormat(format).extension}`),
    }));
    const missing = run.overwrite ? files : files.filter((file) => !exists(file.path));
    const name = inputName(input);
    // An address may hold a password or a key.
    const label = input === '-' || isAddress(input) ? name : input;
    if (files.length > 0 && missing.length === 0) {
      run.reporter.skipped(
        label,
        files.map((file) => file.path),
      );
    } else {
      jobs.push({ id: String(index), input, label, name, files: missing });
    }
  }
  return jobs;
}

/** Each recording once, in the order given. */
export function distinctInputs(inputs: readonly string[]): string[] {
  const seen = new Map<string, string>();
  for (const input of inputs) {
    const key = input === '-' || isAddress(input) ? input : resolve(input);
    if (!seen.has(key)) seen.set(key, input);
  }
  return [...seen.values()];
}

const isAddress = (input: string): boolean => /^[a-z][a-z0-9+.-]+:\/\//i.test(input);

/** True where the recording has to be copied first: it cannot be read twice. */
function isBroughtToDisk(input: string): boolean {
  if (input === '-' || isAddress(input)) return true;
  try {
    return !statSync(input).isFile();
  } catch {
    return false;
  }
}

/**
 * Fetches what is missing before any work starts. Without the model that tells speakers apart there are still words,
 * with a warning in each transcript; who insists on all of it (--strict) hears of it now.
 */
async function ensureModels(run: TranscribeRun): Promise<void> {
  if (run.parts.fetchesModels === false) return;
  const { settings, environment } = run.config;
  const store = new ModelStore({ cacheDir: settings.cacheDir, env: environment });
  for (const model of neededModels(settings.model, run.options.diarize)) {
    try {
      await ensureModel(run, store, model);
    } catch (error) {
      if (!model.optional || run.options.strict || !CANNOT_BE_HAD.has(toDiaristError(error).code)) throw error;
    }
  }
}

const CANNOT_BE_HAD: ReadonlySet<ErrorCode> = new Set(['model_missing', 'model_corrupt', 'network']);

async function ensureModel(run: TranscribeRun, store: ModelStore, { name }: NeededModel): Promise<void> {
  await store.ensure(name, {
    signal: run.interruption.signal,
    onProgress: (progress) => run.reporter.fetching(progress),
    onWait: (holder) => run.reporter.note(`Process ${holder.pid} is fetching ${name} already; waiting for it.`),
  });
}

function log(run: TranscribeRun, event: EngineHostEvent): void {
  const level = run.config.settings.logLevel;
  if (event.kind === 'retrying') {
    if (level !== 'silent' && level !== 'error' && !run.interruption.signal.aborted) {
      run.reporter.note(`diarist: warning: the engine stopped (${event.because}); the recording is tried once more.`);
    }
  } else if (level === 'info' || level === 'debug') {
    run.reporter.note(
      event.kind === 'started'
        ? `diarist: engine started (process ${event.pid})`
        : `diarist: engine ended (${event.how})`,
    );
    if (event.kind === 'ended' && event.lastWords !== undefined && level === 'debug')
      run.reporter.note(event.lastWords);
  }
}
