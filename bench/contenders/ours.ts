import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { json } from '../../src/transcript/formats/json.ts';
import type { Transcript } from '../../src/transcript/types.ts';
import { joinSegmentTexts } from '../../src/transcript/word-text.ts';
import { measure } from '../process-tree.ts';
import { type Contender, failedRun, type Heard, type InputFile, type Work } from './contender.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/diarist', import.meta.url));

export interface OurSettings {
  readonly name: string;
  readonly work: Work;
  readonly flags: readonly string[];
  readonly model: string;
  readonly threads: number;
}

/** Diarist itself, through the command line, as a person runs it. */
export function ours({ name, work, flags, model, threads }: OurSettings): Contender {
  const args = (files: readonly string[], more: readonly string[]): string[] => [
    PROGRAM,
    'transcribe',
    ...files,
    ...['--model', model, '--threads', String(threads), '--quiet', '--format', 'json'],
    ...flags,
    ...more,
  ];
  return {
    name,
    work,
    settings: ['int8', `${threads} threads`, ...flags].join(' '),
    unavailable: () => undefined,
    async timed(file) {
      const run = await measure({ command: process.execPath, args: args([file.path], []) });
      if (run.exitCode !== 0) throw failedRun(name, run.exitCode, run.stderr);
      const transcript = json.parse(run.stdout);
      const { processSeconds, cpuSeconds, peakMemoryMb } = run;
      const wallSeconds = transcript.timings.total ?? processSeconds;
      return {
        processSeconds,
        cpuSeconds,
        peakMemoryMb,
        wallSeconds,
        audioSeconds: transcript.duration,
        heard: heardIn(transcript),
      };
    },
    async hear(files) {
      const folder = mkdtempSync(join(tmpdir(), 'diarist-bench-'));
      try {
        const links = linkById(files, join(folder, 'in'));
        const results = join(folder, 'out');
        const run = await measure({ command: process.execPath, args: args(links, ['--output', results]) });
        const heard = new Map<string, Heard>();
        for (const { id } of files) {
          const path = join(results, `${id}.json`);
          if (existsSync(path)) heard.set(id, heardIn(json.parse(readFileSync(path, 'utf8'))));
        }
        if (heard.size === 0) throw failedRun(name, run.exitCode, run.stderr);
        return heard;
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

/** Results are named after their recordings: names that are ids find their way back. */
function linkById(files: readonly InputFile[], folder: string): string[] {
  mkdirSync(folder, { recursive: true });
  return files.map(({ id, path }) => {
    const link = join(folder, `${id}${extname(path)}`);
    symlinkSync(path, link);
    return link;
  });
}

export function heardIn(transcript: Transcript): Heard {
  const speakers = new Set(transcript.segments.flatMap((segment) => segment.speaker ?? []));
  const textOf = (speaker: string): string =>
    joinSegmentTexts(transcript.segments.filter((segment) => segment.speaker === speaker));
  return {
    language: transcript.language,
    text: transcript.text,
    turns: transcript.turns,
    textBySpeaker: new Map([...speakers].map((speaker) => [speaker, textOf(speaker)])),
    words: transcript.segments.flatMap((segment) => segment.words ?? []),
  };
}
