import { type Heard, NOTHING_HEARD } from './contenders/contender.ts';
import type { Item } from './dataset.ts';
import type { Rate, SpeakerGroup, SpeakerScore, TextRow, WordRow, WordTimes } from './results.ts';
import { diarizationErrors } from './scoring/diarization-error.ts';
import { speakerWordErrors } from './scoring/speaker-words.ts';
import { scoredWords, textErrors } from './scoring/text-errors.ts';
import { matchedWords, quantile, type TimedWord } from './scoring/word-times.ts';
import { round } from './statistics.ts';

/** Whole width (seconds) of what the second error rate leaves out around each border of the reference. */
export const COLLAR = 0.25;

/** Word errors of one file; undefined where there is nothing to compare. Overlapped meetings are scored by speaker only. */
export function textScore(heard: Heard, item: Item): Rate | undefined {
  if (heard.text === null || item.transcript === null || scoredWords(item.transcript, item.language).length === 0)
    return undefined;
  return textErrors(item.transcript, heard.text, item.language);
}

export function speakerScore(heard: Heard, item: Item): SpeakerScore | undefined {
  if (heard.turns === null || item.turns === null) return undefined;
  return {
    der: diarizationErrors(item.turns, heard.turns, item.duration).rate,
    derCollar: diarizationErrors(item.turns, heard.turns, item.duration, COLLAR).rate,
    speakers: new Set(item.turns.map((turn) => turn.speaker)).size,
    speakersFound: new Set(heard.turns.map((turn) => turn.speaker)).size,
  };
}

/** Errors by language over files with a transcript. A file without a result counts as silence. */
export function textRow(
  contender: string,
  settings: string,
  items: readonly Item[],
  heard: ReadonlyMap<string, Heard>,
): TextRow {
  const languages: Record<string, { errors: number; words: number; items: number }> = {};
  const wrongLanguage: string[] = [];
  const failed: string[] = [];
  for (const item of items) {
    const own = heard.get(item.id);
    if (own === undefined) failed.push(item.id);
    const rate = textScore({ ...NOTHING_HEARD, ...own, text: own?.text ?? '' }, item);
    if (rate === undefined) continue;
    languages[item.language] ??= { errors: 0, words: 0, items: 0 };
    const sum = languages[item.language]!;
    sum.errors += rate.errors;
    sum.words += rate.words;
    sum.items += 1;
    if (own !== undefined && own.language !== item.language) wrongLanguage.push(item.id);
  }
  return { contender, settings, languages, wrongLanguage, failed };
}

/** Differences between the word times of a contender and of the reference, by language and in all. */
export function wordRow(
  contender: string,
  settings: string,
  items: readonly Item[],
  reference: ReadonlyMap<string, Heard>,
  heard: ReadonlyMap<string, Heard>,
): WordRow {
  const wordsOf = (of: ReadonlyMap<string, Heard>, item: Item): readonly TimedWord[] => of.get(item.id)?.words ?? [];
  const timesOf = (own: readonly Item[]): WordTimes => {
    const pairs = own.flatMap((item) => matchedWords(wordsOf(reference, item), wordsOf(heard, item)));
    const starts = pairs.map(([a, b]) => Math.abs(a.start - b.start));
    const ends = pairs.map(([a, b]) => Math.abs(a.end - b.end));
    const seconds = (values: readonly number[]) => ({
      p50: round(quantile(values, 0.5), 3),
      p90: round(quantile(values, 0.9), 3),
    });
    return {
      items: own.length,
      words: own.reduce((sum, item) => sum + wordsOf(reference, item).length, 0),
      matched: pairs.length,
      ...(pairs.length > 0 ? { startSeconds: seconds(starts), endSeconds: seconds(ends) } : {}),
    };
  };
  const languages = Map.groupBy(items, (item) => item.language);
  return {
    contender,
    settings,
    all: timesOf(items),
    languages: Object.fromEntries([...languages].map(([language, own]) => [language, timesOf(own)])),
  };
}

/** Groups whose error rates are reported apart: clips of one kind in one, a long recording alone. */
export function speakerGroupOf(item: Item): string {
  const clip = /^ami_(dev|trn|tst)\d/.exec(item.id)?.[1];
  if (clip === undefined) return item.id;
  return clip === 'tst' ? 'AMI tst' : 'AMI dev';
}

/** Error rates of a group of recordings; a file without a result counts as silence. */
export function speakerGroup(items: readonly Item[], heard: ReadonlyMap<string, Heard>): SpeakerGroup {
  const plain = { total: 0, missed: 0, falseAlarm: 0, confusion: 0 };
  const collar = { total: 0, errors: 0 };
  const counts: [number, number][] = [];
  const cpWer = { errors: 0, words: 0 };
  for (const item of items) {
    const own = heard.get(item.id);
    const [reference, hypothesis] = [item.turns ?? [], own?.turns ?? []];
    const whole = diarizationErrors(reference, hypothesis, item.duration);
    for (const key of ['total', 'missed', 'falseAlarm', 'confusion'] as const) plain[key] += whole[key];
    const lenient = diarizationErrors(reference, hypothesis, item.duration, COLLAR);
    collar.total += lenient.total;
    collar.errors += lenient.missed + lenient.falseAlarm + lenient.confusion;
    counts.push([
      new Set(reference.map((turn) => turn.speaker)).size,
      new Set(hypothesis.map((turn) => turn.speaker)).size,
    ]);
    if (own?.textBySpeaker && item.textBySpeaker) {
      const errors = speakerWordErrors(normalised(item.textBySpeaker, item), normalised(own.textBySpeaker, item));
      cpWer.errors += errors.errors;
      cpWer.words += errors.words;
    }
  }
  const share = (seconds: number): number => round(seconds / Math.max(plain.total, 1e-9), 5);
  return {
    items: items.length,
    der: share(plain.missed + plain.falseAlarm + plain.confusion),
    derCollar: round(collar.errors / Math.max(collar.total, 1e-9), 5),
    missed: share(plain.missed),
    falseAlarm: share(plain.falseAlarm),
    confusion: share(plain.confusion),
    rightCount: counts.filter(([reference, found]) => reference === found).length,
    speakers: counts,
    ...(cpWer.words > 0 ? { cpWer } : {}),
  };
}

function normalised(texts: ReadonlyMap<string, string>, item: Item): Map<string, string[]> {
  return new Map([...texts].map(([speaker, text]) => [speaker, scoredWords(text, item.language)]));
}
