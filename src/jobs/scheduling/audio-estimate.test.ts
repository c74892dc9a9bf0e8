import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { estimateAudioSeconds, priorityFor } from './audio-estimate.ts';

const folder = mkdtempSync(join(tmpdir(), 'diarist-estimate-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A tone of 10 s, and what is estimated of it. */
function estimateOf(name: string, ...options: string[]): number {
  const path = join(folder, name);
  execFileSync('sox', ['-n', ...options, path, 'synth', '10', 'sine', '440']);
  return estimateAudioSeconds(path, statSync(path).size);
}

it('reads the length of a WAVE file from its header, whatever its rate and channels', () => {
  expect(estimateOf('phone.wav', '-r', '8000', '-c', '1')).toBeCloseTo(10, 1);
  expect(estimateOf('studio.wav', '-r', '48000', '-c', '2', '-b', '24')).toBeCloseTo(10, 1);
});

it('knows the rate of headerless samples, and guesses that of the rest', () => {
  const path = join(folder, 'samples.raw');
  execFileSync('sox', ['-n', '-r', '16000', '-c', '1', '-b', '16', path, 'synth', '10', 'sine', '440']);
  expect(estimateAudioSeconds(path, statSync(path).size, 's16le')).toBe(10);
  expect(estimateOf('speech.ogg', '-r', '16000', '-c', '1')).toBeLessThan(60);
});

it('puts what is waited for first and what takes hours last', () => {
  expect([3, 600, 7200].map(priorityFor)).toEqual(['interactive', 'normal', 'batch']);
});
