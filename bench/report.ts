import type { Plot } from './plots.ts';
import type { BenchResults, Rate, ResultSet, SpeakerRow, TextRow, TimedRow, WordRow } from './results.ts';

const WORK = { recognition: 'words', diarization: 'speakers', both: 'words and speakers' } as const;

/** The results as a page of Markdown. */
export function renderReport(results: BenchResults, plots: readonly Plot[]): string {
  const { machine, sets } = results;
  return [
    `# Bench: ${machine.cpu}, ${machine.cores} cores`,
    `${machine.memoryGb} GB of memory, ${machine.system}, Node ${machine.node}. How to run it again: [bench/README.md](../../README.md). All figures: [results.json](results.json).`,
    section('Speed', sets.speed, speedTable, SPEED_NOTE),
    section(
      'A short clip, from the shell',
      sets.start,
      startTable,
      'Process start to result, models on disk and files in the page cache.',
    ),
    section(
      'Words',
      sets.text,
      textTable,
      'Word error rate by language, character error rate for zh, yue, ja and ko; normalised as Whisper does. Files without a result count as silence.',
    ),
    section('Speakers', sets.speakers, speakerTable, SPEAKER_NOTE),
    section('Word times', sets.words, wordTable, WORD_NOTE),
    section('Length', sets.lengths, lengthTable, plots.map(({ file, title }) => `![${title}](${file})`).join('\n\n')),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

const SPEED_NOTE =
  'Medians of interleaved runs. Wall time is file to result without start-up and loading of models, as each system reports it; CPU time and peak memory (proportional set size) are of the whole process tree, start-up included.';
const SPEAKER_NOTE =
  'Diarization error rate with overlapped speech counted; in brackets with 0.25 s left out around each border of the reference (0.125 s on either side, as pyannote.metrics counts a collar). Then recordings with the right number of speakers.';

const WORD_NOTE =
  'Distance of word starts and ends from those of faster-whisper in float32 with the same weights, over the words that both heard, in milliseconds: median and 90th percentile.';

function section<Row>(
  title: string,
  set: ResultSet<Row> | undefined,
  table: (rows: readonly Row[]) => string,
  note: string,
): string {
  if (set === undefined) return '';
  const skipped = set.skipped.map(({ contender, reason }) => `Skipped: ${contender} (${reason.split(':')[0]!}).`);
  const parts = [`## ${title}`, note, table(set.rows), ...skipped, `\`${set.command}\`, ${set.date}`];
  return parts.filter((part) => part !== '').join('\n\n');
}

function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

const percent = (share: number | undefined): string => (share === undefined ? '–' : (share * 100).toFixed(1));
const rate = (own: Rate | undefined): string =>
  own === undefined || own.words === 0 ? '–' : percent(own.errors / own.words);
const whole = (value: number | null): string => (value === null ? '–' : value.toFixed(0));
const tenths = (value: number | null): string => (value === null ? '–' : value.toFixed(1));

function speedTable(rows: readonly TimedRow[]): string {
  const files = [...new Set(rows.map((row) => `\`${row.file}\`, ${Math.round(row.audioSeconds)} s`))].join('; ');
  const table = markdownTable(
    ['', 'does', 'RTFx', 'wall s', 'CPU s', 'peak MB', 'WER %', 'DER % (collar)', 'speakers', 'settings'],
    rows.map((row) => [
      row.contender,
      WORK[row.work],
      `**${row.rtfx.toFixed(1)}**`,
      tenths(row.median.wallSeconds),
      tenths(row.median.cpuSeconds),
      whole(row.median.peakMemoryMb),
      rate(row.text),
      row.work === 'recognition' || row.speakers === undefined
        ? '–'
        : `${percent(row.speakers.der)} (${percent(row.speakers.derCollar)})`,
      row.work === 'recognition' || row.speakers === undefined
        ? '–'
        : `${row.speakers.speakersFound} of ${row.speakers.speakers}`,
      row.settings,
    ]),
  );
  return `${files}\n\n${table}`;
}

function startTable(rows: readonly TimedRow[]): string {
  return markdownTable(
    ['', 'does', 'audio s', 'shell to result s', 'of that work s', 'CPU s', 'peak MB'],
    rows.map(({ contender, work, audioSeconds, median }) => [
      contender,
      WORK[work],
      tenths(audioSeconds),
      median.processSeconds.toFixed(2),
      median.wallSeconds.toFixed(2),
      tenths(median.cpuSeconds),
      whole(median.peakMemoryMb),
    ]),
  );
}

function textTable(rows: readonly TextRow[]): string {
  const languages = [...new Set(rows.flatMap((row) => Object.keys(row.languages)))];
  const items = (language: string): number => rows[0]?.languages[language]?.items ?? 0;
  languages.sort((a, b) => items(b) - items(a));
  return markdownTable(
    ['', ...languages.map((language) => `${language} (${items(language)})`), 'wrong language', 'no result'],
    rows.map((row) => [
      row.contender,
      ...languages.map((language) => rate(row.languages[language])),
      String(row.wrongLanguage.length),
      String(row.failed.length),
    ]),
  );
}

function speakerTable(rows: readonly SpeakerRow[]): string {
  const groups = [...new Set(rows.flatMap((row) => Object.keys(row.groups)))];
  return markdownTable(
    ['', ...rows.map((row) => row.contender)],
    groups.map((name) => [
      `${name} (${rows[0]?.groups[name]?.items ?? 0})`,
      ...rows.map((row) => {
        const group = row.groups[name];
        if (group === undefined) return '–';
        const words = group.cpWer === undefined ? '' : `, cpWER ${rate(group.cpWer)}`;
        return `${percent(group.der)} (${percent(group.derCollar)}), ${group.rightCount} of ${group.items}${words}`;
      }),
    ]),
  );
}

function wordTable(rows: readonly WordRow[]): string {
  const milliseconds = (seconds: number | undefined): string =>
    seconds === undefined ? '–' : (seconds * 1000).toFixed(0);
  return markdownTable(
    ['', 'files', 'words matched', 'start p50', 'start p90', 'end p50', 'end p90'],
    rows.flatMap(({ contender, all, languages }) =>
      Object.entries({ all, ...languages }).map(([language, times]) => [
        `${contender}, ${language}`,
        String(times.items),
        `${times.matched} of ${times.words}`,
        milliseconds(times.startSeconds?.p50),
        milliseconds(times.startSeconds?.p90),
        milliseconds(times.endSeconds?.p50),
        milliseconds(times.endSeconds?.p90),
      ]),
    ),
  );
}

function lengthTable(rows: readonly TimedRow[]): string {
  const lengths = [...new Set(rows.map((row) => row.file))];
  const contenders = [...new Set(rows.map((row) => row.contender))];
  return markdownTable(
    ['wall s, RTFx, peak MB', ...lengths],
    contenders.map((contender) => [
      contender,
      ...lengths.map((length) => {
        const row = rows.find((own) => own.contender === contender && own.file === length);
        return row === undefined
          ? '–'
          : `${tenths(row.median.wallSeconds)}, ${row.rtfx.toFixed(0)}x, ${whole(row.median.peakMemoryMb)}`;
      }),
    ]),
  );
}
