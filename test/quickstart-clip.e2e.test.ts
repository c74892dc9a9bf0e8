import { beforeAll, describe, expect, it } from 'vitest';
import type { Transcript } from '../src/transcript/types.ts';
import { diarist } from './program.ts';
import { samplePath } from './recordings.ts';
import { filesBelow, scratchFolder } from './scratch-folder.ts';

// What is said, from the reference transcript that comes with the clip; the model hears "Shiela" and the like now and then.
const SAID =
  `hello hello oh hello i didn't know you were there neither did i okay then i thought you know i heard a beep this is
  diane in new jersey and i'm sheila in texas originally from chicago oh i'm originally from chicago also i'm in new
  jersey now though well there isn't that much difference at least you know they all call me a yankee down here so what
  can i say oh i don't hear that in new jersey now`.split(/\s+/);

describe('the quickstart clip', () => {
  let transcript: Transcript;

  beforeAll(async () => {
    await using data = await scratchFolder();
    const { code, stdout, stderr } = await diarist(['transcribe', await samplePath(), '-f', 'json'], {
      env: { DIARIST_DATA: data.path },
    });
    expect(stderr).not.toMatch(/error/i);
    expect(code).toBe(0);
    expect(await filesBelow(data.path)).toEqual([]);
    transcript = JSON.parse(stdout);
  });

  it('has the words that were said', () => {
    const heard = transcript.text
      .toLowerCase()
      .replace(/[^a-z' ]/g, ' ')
      .split(/\s+/)
      .filter(Boolean);
    // Whisper base makes about one error in ten words on this telephone call.
    expect(editDistance(SAID, heard) / SAID.length).toBeLessThan(0.2);
    expect(transcript.language).toBe('en');
    expect(transcript.languageProbability).toBeGreaterThan(0.5);
  });

  it('tells the two speakers apart', () => {
    expect(transcript.speakers.map(({ label }) => label)).toEqual(['SPEAKER_00', 'SPEAKER_01']);
    // Diane: 10.6-14.7 s, Sheila: 14.5-17.9 s and 21.8-28.5 s, Diane: 18.6-21.5 s by the clip's own reference.
    const [diane, sheila] = [speakerAt(transcript, 13), speakerAt(transcript, 16)];
    expect(diane).toBeDefined();
    expect(sheila).toBeDefined();
    expect(diane).not.toBe(sheila);
    expect(speakerAt(transcript, 20)).toBe(diane);
    expect(speakerAt(transcript, 23)).toBe(sheila);
    expect(speakerAt(transcript, 26)).toBe(sheila);
    const named = transcript.segments
      .flatMap(({ words }) => words ?? [])
      .filter(({ speaker }) => speaker !== undefined);
    const all = transcript.segments.flatMap(({ words }) => words ?? []);
    expect(named.length / all.length).toBeGreaterThan(0.95);
  });

  it('has times that grow and stay inside the recording', () => {
    expect(transcript.duration).toBeCloseTo(30, 1);
    let before = 0;
    for (const word of transcript.segments.flatMap(({ words }) => words ?? [])) {
      expect(word.start).toBeGreaterThanOrEqual(before - 1e-6);
      expect(word.end).toBeGreaterThanOrEqual(word.start);
      before = word.start;
    }
    for (const { start, end } of [...transcript.segments, ...transcript.turns]) {
      expect(start).toBeGreaterThanOrEqual(0);
      expect(end).toBeGreaterThan(start);
      expect(end).toBeLessThanOrEqual(transcript.duration + 1e-3);
    }
    const diane = transcript.segments.flatMap(({ words }) => words ?? []).find(({ text }) => /^Diane/.test(text));
    expect(diane?.start).toBeGreaterThan(12.3);
    expect(diane?.end).toBeLessThan(14.4);
  });

  it('says which models made it and how long that took', () => {
    expect(transcript.schema).toBe('diarist.transcript/1');
    expect(Object.values(transcript.models).join(' ')).toMatch(/base/);
    expect(transcript.timings.total).toBeGreaterThan(0);
    expect(transcript.warnings).toEqual([]);
  });
});

function speakerAt(transcript: Transcript, seconds: number): string | undefined {
  return transcript.segments.find(({ start, end }) => start <= seconds && seconds < end)?.speaker;
}

function editDistance(reference: readonly string[], hypothesis: readonly string[]): number {
  let row = hypothesis.map((_, index) => index + 1);
  for (const [i, word] of reference.entries()) {
    let diagonal = i;
    let left = i + 1;
    row = row.map((above, j) => {
      const cost = Math.min(above + 1, left + 1, diagonal + (hypothesis[j] === word ? 0 : 1));
      diagonal = above;
      left = cost;
      return cost;
    });
  }
  return row.at(-1) ?? reference.length;
}
