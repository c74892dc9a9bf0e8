import { DiaristError } from '../core/errors.ts';
import type { Seconds } from '../core/units.ts';
import type { Crashes, StoredJob } from './store/job-rows.ts';
import type { Job } from './types.ts';

/** What is known of a job that was tried. */
export type Tried = Crashes & Pick<StoredJob, 'ranLong'> & { readonly job: Pick<Job, 'progress'> };

/** Less than that between two crashes is no progress. */
const PROGRESS_STEP = 0.001;
/** Crashes in a row from which on a job runs alone: whether it is the culprit shows then, and it takes no other with it. */
const SUSPICIOUS_CRASHES = 2;
/** Servers end for other reasons, too, so that it takes more of their ends than of an engine's. */
const SUSPICIOUS_LOSSES = 3;
/** Losses in a row, most of them alone by then, at which a job is given up: the server would be started for ever. */
const HOPELESS_LOSSES = 10;
/**
 * A job that ran for less when its server was lost had hardly time to get further: without this, quick kills for reasons
 * of their own would add up against short jobs. What brings a server down within that time of each start is not found.
 */
export const LOSS_COUNTS_AFTER_SECONDS: Seconds = 5;

/** True for a job that runs while nothing else does until it got further than when its engine or its server was lost. */
export function isSuspect(tried: Tried): boolean {
  return placeOfSuspicion(tried) !== undefined;
}

/** How far a job has to get, 0 to 1, to be a suspect no more; undefined for one that is none. */
export function aloneUntil(tried: Tried): number | undefined {
  const place = placeOfSuspicion(tried);
  return place === undefined ? undefined : place + PROGRESS_STEP;
}

function placeOfSuspicion(tried: Tried): number | undefined {
  const { job, engineCrashes, crashProgress, serverLosses, lossProgress } = tried;
  // Progress behind a loss is stored as it is made; the place of a crash is brought up to date by the next one only.
  const lost = serverLosses >= SUSPICIOUS_LOSSES && !isBehind(job.progress, lossProgress) ? lossProgress : undefined;
  const crashed = engineCrashes >= SUSPICIOUS_CRASHES ? crashProgress : undefined;
  return lost !== undefined && crashed !== undefined ? Math.max(lost, crashed) : (lost ?? crashed);
}

/** The counts of a job whose engine failed when it had got as far as `reached`. `alone`: have it run alone next. */
export function afterCrash(tried: Tried, reached: number, alone: boolean): Crashes & { readonly advanced: boolean } {
  const { engineCrashes, crashProgress, serverLosses, lossProgress } = tried;
  const advanced = isBehind(reached, crashProgress);
  const crashes = advanced ? 1 : engineCrashes + 1;
  return {
    engineCrashes: alone ? Math.max(crashes, SUSPICIOUS_CRASHES) : crashes,
    crashProgress: Math.max(reached, crashProgress),
    serverLosses,
    lossProgress,
    advanced,
  };
}

/** The counts of a job that the server ran which was lost; a server that closes parks its jobs instead. */
export function afterServerLoss(tried: Tried): Crashes {
  const { job, ranLong, engineCrashes, crashProgress, serverLosses, lossProgress } = tried;
  const before = isBehind(job.progress, lossProgress) ? 0 : serverLosses;
  return {
    engineCrashes,
    crashProgress,
    serverLosses: ranLong ? before + 1 : before,
    lossProgress: Math.max(job.progress, lossProgress),
  };
}

/** What a job fails with that so many servers in a row were lost over; undefined where it may go on. */
export function hopelessAfter({ serverLosses }: Crashes): DiaristError | undefined {
  if (serverLosses < HOPELESS_LOSSES) return undefined;
  return new DiaristError(
    'engine_crashed',
    `The server was killed ${serverLosses} times in a row while this job ran and got no further: give the server more memory, or send the recording in shorter parts.`,
  );
}

function isBehind(progress: number, place: number): boolean {
  return progress > place + PROGRESS_STEP;
}
