import { describe, expect, it } from 'vitest';
import { DiaristError } from '../core/errors.ts';
import { TRANSCRIPT_SCHEMA, type Transcript } from '../transcript/types.ts';
import { RunSpeed } from './run-speed.ts';
import { bar, clock, LiveLine, type Terminal } from './terminal.ts';
import { createReporter } from './transcribe-reporter.ts';

function recordedTerminal(interactive: boolean, columns = 60): Terminal & { readonly shown: () => string } {
  const written: string[] = [];
  const write = (text: string): void => void written.push(text);
  return { interactive, colour: false, columns: () => columns, write, shown: () => written.join('') };
}

const progressOf = (id: string, fraction: number, audioSeconds: number) => ({
  id,
  stage: 'transcribe' as const,
  fraction,
  audioSeconds,
  doneSeconds: fraction * audioSeconds,
});

const TRANSCRIPT: Transcript = {
  schema: TRANSCRIPT_SCHEMA,
  text: 'the secret words',
  language: 'de',
  languageProbability: 1,
  task: 'transcribe',
  duration: 3725,
  segments: [],
  turns: [],
  speakers: [{ label: 'SPEAKER_00', seconds: 1 }],
  warnings: [{ code: 'some', message: 'Something was left out.' }],
  models: {},
  timings: {},
};

describe('RunSpeed', () => {
  it('adds up recordings that run at the same time', () => {
    let now = 0;
    const speed = new RunSpeed(2, () => now);
    speed.update(progressOf('a', 0, 100));
    expect(speed.standing()).toEqual({ fraction: 0, speed: undefined, secondsLeft: undefined });
    now = 4000;
    speed.update(progressOf('a', 0.8, 100));
    speed.update(progressOf('b', 0.2, 200));
    expect(speed.standing()).toEqual({ fraction: 0.5, speed: 30, secondsLeft: 4 });
    speed.settle('a');
    expect(speed.standing().fraction).toBeCloseTo(0.6);
  });

  it('counts no recording on which no work is done', () => {
    let now = 0;
    const speed = new RunSpeed(10, () => now);
    for (let skipped = 0; skipped < 6; skipped++) speed.leaveOut();
    speed.settle('missing');
    speed.settle('missing too');
    now = 60_000;
    speed.update(progressOf('a', 0, 100));
    now = 64_000;
    speed.update(progressOf('a', 0.5, 100));
    expect(speed.standing()).toEqual({ fraction: 0.25, speed: 12.5, secondsLeft: 12 });
    speed.settle('a');
    speed.settle('never begun');
    expect(speed.standing().fraction).toBe(1);
  });
});

describe('the live line', () => {
  it('is rewritten in place, cut to the terminal, and gone at the end', () => {
    const terminal = recordedTerminal(true, 11);
    const line = new LiveLine(terminal);
    line.show('0123456789abcdef');
    line.show('0123456789xyz');
    line.clear();
    line.clear();
    expect(terminal.shown()).toBe('\r\x1b[2K0123456789\r\x1b[2K');
  });

  it('shows nothing where nobody looks', () => {
    const terminal = recordedTerminal(false);
    new LiveLine(terminal).show('text');
    expect(terminal.shown()).toBe('');
  });

  it('draws bars and times as people read them', () => {
    expect([0, 0.5, 0.53, 1, 7, -1].map((fraction) => bar(fraction, 4))).toEqual([
      '░░░░',
      '██░░',
      '██▏░',
      '████',
      '████',
      '░░░░',
    ]);
    expect([0, 7, 750, 3750].map(clock)).toEqual(['0:00', '0:07', '12:30', '1:02:30']);
  });
});

describe('the reporter', () => {
  it('says what came of each recording, and never what was said in it', () => {
    for (const json of [false, true]) {
      const terminal = recordedTerminal(false);
      const reporter = createReporter({ terminal, recordings: 2, quiet: false, json });
      reporter.begin();
      reporter.progress('a.wav', progressOf('0', 0.5, 10));
      reporter.done({ id: '0', name: 'a.wav', transcript: TRANSCRIPT, paths: ['out/a.json'], wallSeconds: 100 });
      reporter.failed('1', 'b.wav', new DiaristError('input_no_audio', 'No audio: give another file.'));
      reporter.total();
      reporter.end();
      expect(terminal.shown()).not.toContain('secret');
      if (json) continue;
      const [done, warning, failed, ...rest] = terminal.shown().split('\n');
      expect(done).toBe('diarist: a.wav: 1:02:05 of audio, 1 speaker, language de -> out/a.json');
      expect(warning).toBe('diarist: warning: a.wav: Something was left out.');
      expect(failed).toBe('diarist: b.wav: No audio: give another file.');
      expect(rest).toEqual(['']);
    }
  });

  it('says only what failed where it is to be quiet', () => {
    const terminal = recordedTerminal(true);
    const reporter = createReporter({ terminal, recordings: 1, quiet: true, json: false });
    reporter.fetching({ model: 'base', source: 'somewhere', receivedBytes: 1, totalBytes: 2 });
    reporter.begin();
    reporter.progress('a.wav', progressOf('0', 0.5, 10));
    reporter.done({ id: '0', name: 'a.wav', transcript: TRANSCRIPT, paths: [], wallSeconds: 1 });
    reporter.note('something');
    reporter.failed('0', 'a.wav', new DiaristError('input_no_audio', 'No audio: give another file.'));
    reporter.total();
    reporter.end();
    expect(terminal.shown()).toBe('✗ No audio: give another file.\n');
  });
});
