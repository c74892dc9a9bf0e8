import { type LinePlot, type PlotSeries, renderLinePlot } from './line-plot.ts';
import type { BenchResults, TimedRow } from './results.ts';

export interface Plot {
  readonly file: string;
  readonly title: string;
  readonly svg: string;
}

const MEMORY_STEP_MB = 250;
const TIME_TICKS = [0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200];

/** Time and memory against the length of the audio; none where the lengths were not run. */
export function renderPlots({ machine, sets }: BenchResults): Plot[] {
  const rows = sets.lengths?.rows ?? [];
  if (rows.length === 0) return [];
  const minutes = [...new Set(rows.map(minutesOf))].sort((a, b) => a - b);
  const common = {
    subtitle: `${machine.cpu}, ${machine.cores} cores. Medians.`,
    xLabel: 'length of the audio',
    xTicks: minutes.length > 1 ? minutes : [minutes[0]! / 2, minutes[0]!],
    formatX: (value: number) => (value < 60 ? `${value} min` : `${value / 60} h`),
  };
  const time = series(rows, (row) => row.median.wallSeconds);
  const memory = series(rows, (row) => row.median.peakMemoryMb);
  const plots: LinePlot[] = [
    {
      ...common,
      title: 'Time from file to result',
      series: time,
      yTicks: ticksAround(time, TIME_TICKS),
      formatY: (value) => (value < 60 ? `${value} s` : value < 3600 ? `${value / 60} min` : `${value / 3600} h`),
      yScale: 'logarithmic',
    },
    {
      ...common,
      title: 'Peak memory of all processes',
      series: memory,
      yTicks: memoryTicks(memory),
      formatY: (value) => `${value} MB`,
      yScale: 'linear',
    },
  ];
  const files = ['time.svg', 'memory.svg'];
  return plots.map((plot, index) => ({ file: files[index]!, title: plot.title, svg: renderLinePlot(plot) }));
}

const minutesOf = (row: TimedRow): number => Math.round((row.audioSeconds / 60) * 10) / 10;

function series(rows: readonly TimedRow[], value: (row: TimedRow) => number | null): PlotSeries[] {
  return [...Map.groupBy(rows, (row) => row.contender)].map(([name, own]) => ({
    name,
    isMain: name.startsWith('diarist'),
    points: own
      .flatMap((row) => {
        const y = value(row);
        return y === null ? [] : [{ x: minutesOf(row), y }];
      })
      .sort((a, b) => a.x - b.x),
  }));
}

function ticksAround(all: readonly PlotSeries[], ticks: readonly number[]): number[] {
  const values = all.flatMap((own) => own.points.map((point) => point.y));
  const first = Math.max(
    0,
    ticks.findLastIndex((tick) => tick <= Math.min(...values)),
  );
  const after = ticks.findIndex((tick) => tick >= Math.max(...values));
  return ticks.slice(first, after < 0 ? ticks.length : after + 1);
}

function memoryTicks(all: readonly PlotSeries[]): number[] {
  const highest = Math.max(MEMORY_STEP_MB, ...all.flatMap((own) => own.points.map((point) => point.y)));
  const step = highest > MEMORY_STEP_MB * 10 ? MEMORY_STEP_MB * 4 : MEMORY_STEP_MB;
  return Array.from({ length: Math.ceil(highest / step) + 1 }, (_, index) => index * step);
}
