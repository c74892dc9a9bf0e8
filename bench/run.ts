import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchOptions } from '../src/cli/bench.ts';
import { DiaristError } from '../src/core/errors.ts';
import { allContenders, wordContenders } from './contenders/all.ts';
import type { Contender, Heard } from './contenders/contender.ts';
import { defaultPeerCache } from './contenders/peer-python.ts';
import { type Item, readDataset } from './dataset.ts';
import { makeLongAudio } from './long-audio.ts';
import { describeMachine, type Machine } from './machine.ts';
import { renderPlots } from './plots.ts';
import { renderReport } from './report.ts';
import {
  type BenchResults,
  type ResultSet,
  SET_NAMES,
  type SetName,
  type SpeakerRow,
  type TextRow,
  type TimedRow,
  type WordRow,
} from './results.ts';
import { speakerGroup, speakerGroupOf, textRow, wordRow } from './scores.ts';
import { type TimedPlan, timedRows } from './timed-runs.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const START_CLIP_SECONDS = 10;

/**
 * Runs the asked-for sets and writes `results.json`, `README.md` and plots into `<output>/<machine label>/`. Sets that
 * are not asked for keep the results of an earlier run.
 */
export async function runBench(options: BenchOptions, log: (line: string) => void): Promise<void> {
  const bench = new Bench(options, log);
  const machine = describeMachine(options.label);
  const folder = resolve(options.output ?? join(ROOT, 'bench', 'results'), machine.label);
  for (const name of chosenSets(options.sets)) {
    log(`— ${name}`);
    const set = await bench.run(name);
    save(folder, machine, { [name]: set });
  }
  log(`Written to ${folder}`);
}

function chosenSets(list: string | undefined): readonly SetName[] {
  if (list === undefined) return SET_NAMES;
  return list.split(',').map((own) => {
    const name = SET_NAMES.find((known) => known === own.trim());
    if (name === undefined) {
      throw new DiaristError('usage', `There is no bench set "${own.trim()}": use ${SET_NAMES.join(', ')}.`);
    }
    return name;
  });
}

function save(folder: string, machine: Machine, sets: BenchResults['sets']): void {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'results.json');
  const results: BenchResults = { schema: 'diarist.bench/1', machine, sets: { ...readSets(path), ...sets } };
  writeFileSync(path, `${JSON.stringify(results, null, 1)}\n`);
  const plots = renderPlots(results);
  for (const { file, svg } of plots) writeFileSync(join(folder, file), svg);
  writeFileSync(join(folder, 'README.md'), renderReport(results, plots));
}

function readSets(path: string): BenchResults['sets'] {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as BenchResults).sets;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

type BenchRow = TimedRow | TextRow | SpeakerRow | WordRow;

class Bench {
  readonly #options: BenchOptions;
  readonly #log: (line: string) => void;
  readonly #items: readonly Item[];
  readonly #contenders: readonly Contender[];
  readonly #wordContenders: ReturnType<typeof wordContenders>;
  #isWarm = false;
  readonly #skipped: { contender: string; reason: string }[] = [];

  constructor(options: BenchOptions, log: (line: string) => void) {
    this.#options = options;
    this.#log = log;
    this.#items = readDataset(resolve(options.data ?? join(ROOT, '..', 'shared', 'data')));
    const peers = {
      scripts: resolve(options.peers ?? join(ROOT, '..', 'shared', 'peers')),
      cache: resolve(options.peersCache ?? defaultPeerCache()),
    };
    const wanted = options.only?.split(',').map((name) => name.trim());
    const settings = { model: options.model, threads: options.threads, peers };
    const all = allContenders(settings);
    this.#wordContenders = wordContenders(settings);
    const unknown = wanted?.find((name) => !all.some((contender) => contender.name === name));
    if (unknown !== undefined) {
      const names = all.map((contender) => contender.name).join(', ');
      throw new DiaristError('usage', `There is no contender "${unknown}": use ${names}.`);
    }
    this.#contenders = all.filter((contender) => this.#takesPart(contender, wanted));
  }

  #takesPart(contender: Contender, wanted: readonly string[] | undefined): boolean {
    if (wanted !== undefined && !wanted.includes(contender.name)) return false;
    const reason = contender.unavailable();
    if (reason === undefined) return true;
    this.#skipped.push({ contender: contender.name, reason });
    this.#log(`${contender.name} is skipped: ${reason}.`);
    return false;
  }

  async run(name: SetName): Promise<ResultSet<BenchRow>> {
    const rows = await this.#rows(name);
    return {
      command: this.#options.command,
      date: new Date().toISOString().slice(0, 10),
      rows,
      skipped: this.#skipped,
    };
  }

  #rows(name: SetName): Promise<readonly BenchRow[]> {
    if (name === 'start') return this.#start();
    if (name === 'speed') return this.#speed();
    if (name === 'text') return this.#text();
    if (name === 'speakers') return this.#speakers();
    if (name === 'words') return this.#words();
    return this.#lengths();
  }

  /** From the shell to the result of a short clip. */
  async #start(): Promise<TimedRow[]> {
    const clips = this.#items.filter((item) => item.kind === 'asr' && item.language === 'en');
    const clip = clips.sort(
      (a, b) => Math.abs(a.duration - START_CLIP_SECONDS) - Math.abs(b.duration - START_CLIP_SECONDS),
    )[0];
    return clip === undefined
      ? []
      : await this.#timed(this.#contenders.map((contender) => ({ contender, file: clip })));
  }

  async #speed(): Promise<TimedRow[]> {
    const file = this.#item(this.#options.file);
    await this.#warmUp();
    return await this.#timed(this.#contenders.map((contender) => ({ contender, file })));
  }

  /** Graphs are written and files are in the page cache before anything is timed. */
  async #warmUp(): Promise<void> {
    if (this.#isWarm) return;
    this.#isWarm = true;
    const clip = this.#items.find((item) => item.kind === 'asr' && item.language === 'en');
    if (clip === undefined) return;
    for (const contender of this.#contenders) {
      await contender.timed(clip).catch((error: unknown) => this.#log(`${contender.name}: ${String(error)}`));
    }
  }

  #timed(plans: readonly TimedPlan[]): Promise<TimedRow[]> {
    const byId = new Map(this.#items.map((item) => [item.id, item]));
    return timedRows(plans, this.#options.repeats, (id) => byId.get(id), this.#log);
  }

  #item(id: string): Item {
    const item = this.#items.find((own) => own.id === id);
    if (item === undefined)
      throw new DiaristError('usage', `There is no recording "${id}" in the evaluation audio: see its manifest.json.`);
    return item;
  }

  /** Clips with a transcript, at most `--limit` of a language. */
  #clips(): Item[] {
    const taken = new Map<string, number>();
    return this.#items.filter((item) => {
      if (item.kind !== 'asr' || item.transcript === null) return false;
      taken.set(item.language, (taken.get(item.language) ?? 0) + 1);
      return taken.get(item.language)! <= (this.#options.limit ?? Number.POSITIVE_INFINITY);
    });
  }

  async #text(): Promise<TextRow[]> {
    const items = this.#clips();
    const rows: TextRow[] = [];
    for (const contender of this.#contenders.filter((own) => own.work === 'recognition')) {
      const heard = await this.#heard(contender, items);
      if (heard !== undefined) rows.push(textRow(contender.name, contender.settings, items, heard));
    }
    return rows;
  }

  /** Word times on real speech, beside those of the reference. */
  async #words(): Promise<WordRow[]> {
    const { own, reference } = this.#wordContenders;
    const reason = reference.unavailable();
    if (reason !== undefined) {
      this.#log(`${reference.name} is skipped: ${reason}.`);
      this.#skipped.push({ contender: reference.name, reason });
      return [];
    }
    const items = this.#clips().filter((item) => !item.isSynthetic);
    const right = await this.#heard(reference, items);
    const heard = await this.#heard(own, items);
    if (right === undefined || heard === undefined) return [];
    return [wordRow(own.name, own.settings, items, right, heard)];
  }

  async #speakers(): Promise<SpeakerRow[]> {
    const items = this.#items.filter((item) => item.turns !== null).slice(0, this.#options.limit);
    const groups = Map.groupBy(items, speakerGroupOf);
    const rows: SpeakerRow[] = [];
    for (const contender of this.#contenders.filter((own) => own.work !== 'recognition')) {
      const heard = await this.#heard(contender, items);
      if (heard === undefined) continue;
      rows.push({
        contender: contender.name,
        settings: contender.settings,
        groups: Object.fromEntries([...groups].map(([name, own]) => [name, speakerGroup(own, heard)])),
        failed: items.filter((item) => !heard.has(item.id)).map((item) => item.id),
      });
    }
    return rows;
  }

  async #heard(contender: Contender, items: readonly Item[]): Promise<Map<string, Heard> | undefined> {
    this.#log(`${contender.name}: ${items.length} recordings`);
    try {
      return await contender.hear(items.map(({ id, path }) => ({ id, path })));
    } catch (error) {
      this.#log(`${contender.name} failed: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  async #lengths(): Promise<TimedRow[]> {
    const source = this.#item(this.#options.file).path;
    const folder = mkdtempSync(join(tmpdir(), 'diarist-bench-'));
    const rows: TimedRow[] = [];
    try {
      await this.#warmUp();
      for (const minutes of this.#options.lengths) {
        const file = await makeLongAudio(source, minutes, folder);
        rows.push(...(await this.#timed(this.#contenders.map((contender) => ({ contender, file })))));
        rmSync(file.path);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    return rows;
  }
}
