import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Settings } from '../config/settings.ts';
import { DiaristError, toDiaristError } from '../core/errors.ts';
import { createGuardedFetch } from '../core/guarded-fetch.ts';
import type { Seconds } from '../core/units.ts';
import type { Engines } from '../host/types.ts';
import { Attendance } from './attendance.ts';
import { EventLog } from './event-log.ts';
import { JobFolders } from './job-folders.ts';
import { createJobIds } from './job-id.ts';
import { JobService } from './job-service.ts';
import { Lifecycle } from './lifecycle.ts';
import { RetentionSweeper } from './retention.ts';
import { Runner } from './runner.ts';
import { Scheduler } from './scheduling/scheduler.ts';
import { lockDataFolder } from './store/data-folder-lock.ts';
import { type JobDatabase, openDatabase } from './store/database.ts';
import { EventRows } from './store/event-rows.ts';
import { JobRows } from './store/job-rows.ts';
import { WebhookRows } from './store/webhook-rows.ts';
import { Admission, scheduledJob } from './submission.ts';
import { LOSS_COUNTS_AFTER_SECONDS } from './suspicion.ts';
import type { Jobs } from './types.ts';
import { serverWebhookSecret } from './webhooks/webhook-secret.ts';
import { RETRY_SECONDS, WebhookSender } from './webhooks/webhook-sender.ts';

/** The settings of the jobs; times are seconds. */
export type JobSettings = Pick<
  Settings,
  | 'dataDir'
  | 'allowedHosts'
  | 'queueLimit'
  | 'maxRunningJobs'
  | 'maxAttempts'
  | 'hangupGraceSeconds'
  | 'resultTtlSeconds'
  | 'keepUploadsSeconds'
  | 'keepResultsSeconds'
  | 'webhookSecret'
  | 'webhookAttempts'
  | 'webhookTimeoutSeconds'
  | 'maxInputBytes'
  | 'urlTimeoutSeconds'
>;

export interface JobsOptions {
  readonly engines: Engines;
  readonly settings: JobSettings;
  /** Waits between the attempts of a webhook; the specification's where absent. */
  readonly webhookRetrySeconds?: readonly Seconds[];
  /** Time for which a job must have run to be asked about where the server was lost; 5 s where absent. */
  readonly lossCountsAfterSeconds?: Seconds;
}

export function jobsOptions(config: Config, engines: Engines): JobsOptions {
  return { engines, settings: config.settings };
}

/**
 * Opens the jobs below `dataDir/jobs`, for this process alone. Jobs that a server before left running or waiting go on.
 * Close them before the engines.
 *
 * Throws `invalid_configuration` (another server has the folder, a wrong secret), `data_damaged`, `output_unwritable`,
 * `disk_full`.
 */
export async function openJobs({
  engines,
  settings,
  webhookRetrySeconds,
  lossCountsAfterSeconds = LOSS_COUNTS_AFTER_SECONDS,
}: JobsOptions): Promise<Jobs> {
  const root = join(settings.dataDir, 'jobs');
  createFolder(root);
  const lock = lockDataFolder(join(root, 'lock.sqlite'), settings.dataDir);
  let database: JobDatabase | undefined;
  try {
    database = openDatabase(join(root, 'jobs.sqlite'));
    const rows = new JobRows(database);
    const events = new EventRows(database);
    const webhooks = new WebhookRows(database);
    const folders = new JobFolders(root);
    const log = new EventLog(events);
    const rules = { allowedHosts: settings.allowedHosts };
    const guarded = createGuardedFetch(rules);
    const lifecycle = new Lifecycle(database, { rows, events, webhooks }, log, settings);
    const scheduler = new Scheduler(engines, settings.maxRunningJobs, (id) => runner.start(id));
    const attendance = new Attendance(settings.hangupGraceSeconds, (id) => service.deserted(id));
    const runnerSettings = { ...settings, lossCountsAfterSeconds };
    const runner = new Runner({ engines, lifecycle, folders, rows, events, guarded }, runnerSettings, {
      scheduler,
      ended: (stored) => service.ended(stored),
      settled: (id) => service.settled(id),
      broken: (id, error) => service.broken(id, error),
    });
    const sweeper = new RetentionSweeper(database, rows, folders, (stored) => service.remove(stored));
    const sender = new WebhookSender(database, { webhooks, jobs: rows }, guarded, {
      secret: serverWebhookSecret(settings.webhookSecret, join(root, 'webhook-secret')),
      timeoutSeconds: settings.webhookTimeoutSeconds,
      attempts: settings.webhookAttempts,
      retrySeconds: webhookRetrySeconds ?? RETRY_SECONDS,
    });
    const admission = new Admission(
      {
        database,
        rows,
        webhooks,
        folders,
        lifecycle,
        scheduler,
        attendance,
        newId: createJobIds(),
        wakeWebhooks: () => sender.wake(),
      },
      { queueLimit: settings.queueLimit, resultTtlSeconds: settings.resultTtlSeconds, rules },
    );
    const service: JobService = new JobService({
      database,
      lock,
      rows,
      webhooks,
      folders,
      log,
      lifecycle,
      admission,
      attendance,
      scheduler,
      runner,
      sweeper,
      sender,
      queueLimit: settings.queueLimit,
      keepUploadsSeconds: settings.keepUploadsSeconds,
      closeNetwork: () => guarded.close(),
    });

    for (const stored of rows.open()) {
      const waiting = stored.job.state === 'running' ? service.afterServerLoss(stored) : stored;
      if (waiting) scheduler.add(scheduledJob(waiting));
    }
    folders.sweep((id) => {
      const stored = rows.find(id);
      if (!stored) return 'unknown';
      return stored.job.finishedAt === undefined ? 'open' : 'ended';
    });
    await sweeper.sweep();
    sweeper.start();
    sender.wake();
    return service;
  } catch (error) {
    database?.close();
    lock[Symbol.dispose]();
    throw error;
  }
}

function createFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw toDiaristError(error);
    throw new DiaristError(
      'output_unwritable',
      `The folder ${path} cannot be made (${(error as NodeJS.ErrnoException).code ?? error}): make it writable or name another one in DIARIST_DATA.`,
      { cause: error },
    );
  }
}
