import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { repositoryRoot, startProgram } from './program.ts';
import { shortClip } from './recordings.ts';
import { scratchFolder } from './scratch-folder.ts';

const quickstart = (args: string[], data: string) =>
  startProgram(process.execPath, [path.join(repositoryRoot, 'scripts/quickstart.mjs'), ...args], {
    env: { DIARIST_DATA: data, INIT_CWD: undefined },
  }).result;

describe('npm run quickstart', () => {
  it('prints a transcript with speakers and times, how fast that was and what to try next', async () => {
    await using data = await scratchFolder();
    const { code, stdout, stderr } = await quickstart([], data.path);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^ {2}\d\d:\d\d\.\d - \d\d:\d\d\.\d {2}SPEAKER_00 {2}.*hello/im);
    expect(stdout).toMatch(/SPEAKER_01/);
    expect(stdout).toMatch(/30\.0 s of audio, 2 speakers, in \d+\.\d s: [\d.]+x real time/);
    expect(stdout).toMatch(/What next\n.*npm run quickstart -- /);
  });

  it("does the same with the person's own files", async () => {
    await using data = await scratchFolder();
    const clip = await shortClip(data.file('my meeting.flac'));
    const { code, stdout, stderr } = await quickstart([clip], data.file('data'));
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/Transcribing my meeting\.flac/);
    expect(stdout).toMatch(/SPEAKER_00 {2}.*hello/i);
  });

  it('says in one sentence what is wrong with a file, before anything else is done', async () => {
    await using data = await scratchFolder();
    const { code, stdout, stderr } = await quickstart([data.file('nowhere.mp3')], data.path);
    expect(code).toBe(3);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^quickstart: .*nowhere\.mp3.*\n$/);
  });
});
