import type { Contender, Heard, InputFile, TimedRun } from './contenders/contender.ts';
import type { Item } from './dataset.ts';
import type { Measured, TimedRow } from './results.ts';
import { speakerScore, textScore } from './scores.ts';
import { median, round } from './statistics.ts';

export interface TimedPlan {
  readonly contender: Contender;
  readonly file: InputFile;
}

/**
 * Runs every plan `repeats` times, interleaved: one round of all after the other, so that a slow minute of the machine
 * falls on everybody. Medians, and the scores of the last run where `reference` knows the file. A contender that fails is
 * left out from then on and reported through `log`.
 */
export async function timedRows(
  plans: readonly TimedPlan[],
  repeats: number,
  reference: (id: string) => Item | undefined,
  log: (line: string) => void,
): Promise<TimedRow[]> {
  const runs = plans.map((): TimedRun[] => []);
  const failed = new Set<number>();
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [index, { contender, file }] of plans.entries()) {
      if (failed.has(index)) continue;
      try {
        const run = await contender.timed(file);
        runs[index]!.push(run);
        log(
          `${file.id} ${repeat + 1}/${repeats}: ${contender.name} ${(run.audioSeconds / run.wallSeconds).toFixed(1)}x real time`,
        );
      } catch (error) {
        failed.add(index);
        log(`${file.id}: ${contender.name} failed: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return plans.flatMap(({ contender, file }, index) => {
    const own = runs[index]!;
    return own.length === 0 ? [] : [timedRow(contender, file, own, reference(file.id))];
  });
}

function timedRow(contender: Contender, file: InputFile, runs: readonly TimedRun[], item: Item | undefined): TimedRow {
  const { audioSeconds, heard } = runs.at(-1)!;
  const middle = medianRun(runs);
  return {
    contender: contender.name,
    work: contender.work,
    settings: contender.settings,
    file: file.id,
    audioSeconds: round(audioSeconds, 3),
    runs: runs.map(rounded),
    median: rounded(middle),
    rtfx: round(audioSeconds / middle.wallSeconds, 2),
    ...scores(heard, item),
  };
}

function scores(heard: Heard, item: Item | undefined): Pick<TimedRow, 'text' | 'speakers'> {
  if (item === undefined) return {};
  const text = textScore(heard, item);
  const speakers = speakerScore(heard, item);
  return { ...(text === undefined ? {} : { text }), ...(speakers === undefined ? {} : { speakers }) };
}

function medianRun(runs: readonly Measured[]): Measured {
  const known = (values: readonly (number | null)[]): number | null => {
    const numbers = values.filter((value) => value !== null);
    return numbers.length === 0 ? null : median(numbers);
  };
  return {
    wallSeconds: median(runs.map((run) => run.wallSeconds)),
    processSeconds: median(runs.map((run) => run.processSeconds)),
    cpuSeconds: known(runs.map((run) => run.cpuSeconds)),
    peakMemoryMb: known(runs.map((run) => run.peakMemoryMb)),
  };
}

function rounded(run: Measured): Measured {
  const { wallSeconds, processSeconds, cpuSeconds, peakMemoryMb } = run;
  return {
    wallSeconds: round(wallSeconds, 3),
    processSeconds: round(processSeconds, 3),
    cpuSeconds: cpuSeconds === null ? null : round(cpuSeconds, 2),
    peakMemoryMb: peakMemoryMb === null ? null : round(peakMemoryMb, 0),
  };
}
