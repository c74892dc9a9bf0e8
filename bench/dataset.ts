import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DiaristError } from '../src/core/errors.ts';
import { rttm } from '../src/transcript/formats/rttm.ts';
import type { Turn } from '../src/transcript/types.ts';

export type Kind = 'asr' | 'diarization' | 'longform' | 'format' | 'edge';

/** A recording with what is known about it. */
export interface Item {
  readonly id: string;
  readonly kind: Kind;
  /** Absolute path of the audio. */
  readonly path: string;
  /** Language without region. */
  readonly language: string;
  readonly duration: number;
  readonly speakers: number | null;
  readonly transcript: string | null;
  readonly turns: readonly Turn[] | null;
  /** What each speaker says, in order of time; null where it is not known. */
  readonly textBySpeaker: ReadonlyMap<string, string> | null;
  readonly isSynthetic: boolean;
}

interface ManifestEntry {
  readonly id: string;
  readonly kind: Kind;
  readonly path: string;
  readonly language: string | null;
  readonly duration_s: number;
  readonly num_speakers?: number | null;
  readonly transcript?: string | null;
  readonly rttm?: string | null;
  readonly stm?: string | null;
  readonly synthetic?: boolean;
  readonly notes?: string | null;
}

/** Reads `manifest.json` of a folder of evaluation audio. Throws `input_not_found`. */
export function readDataset(folder: string): Item[] {
  let entries: readonly ManifestEntry[];
  try {
    entries = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as readonly ManifestEntry[];
  } catch (error) {
    throw new DiaristError(
      'input_not_found',
      `There is no evaluation audio in ${folder} (manifest.json is missing): say where it is with --data or DIARIST_TEST_DATA.`,
      { cause: error },
    );
  }
  return entries.map((entry) => ({
    id: entry.id,
    kind: entry.kind,
    path: join(folder, entry.path),
    language: (entry.language ?? 'en').split('-')[0]!,
    duration: entry.duration_s,
    speakers: entry.num_speakers ?? null,
    transcript: entry.notes?.includes('do not score') ? null : (entry.transcript ?? null),
    turns: entry.rttm ? rttm.parse(readFileSync(join(folder, entry.rttm), 'utf8')) : null,
    textBySpeaker: entry.stm ? readStm(readFileSync(join(folder, entry.stm), 'utf8')) : null,
    isSynthetic: entry.synthetic === true,
  }));
}

/** NIST STM: `file channel speaker start end [<label>] text`, comments after `;;`. */
function readStm(text: string): Map<string, string> {
  const lines = text.split('\n').flatMap((line) => {
    const match = /^\S+\s+\S+\s+(\S+)\s+([\d.]+)\s+[\d.]+\s+(?:<[^>]*>\s+)?(.*)$/.exec(line);
    return match === null || line.startsWith(';;')
      ? []
      : [{ speaker: match[1]!, start: Number(match[2]), text: match[3]! }];
  });
  const texts = new Map<string, string>();
  for (const line of lines.sort((a, b) => a.start - b.start)) {
    texts.set(line.speaker, `${texts.get(line.speaker) ?? ''} ${line.text}`.trim());
  }
  return texts;
}
