import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { DiaristError } from '../core/errors.ts';
import { removeGraphsOf } from '../inference/graph-sweep.ts';
import { formatBytes } from '../models/disk-space.ts';
import { type ModelListing, ModelStore } from '../models/store.ts';
import { columns } from './columns.ts';
import { Interrupted, listenForInterruption } from './interruption.ts';
import { ModelProgress } from './model-progress.ts';
import { writeToStandardOutput } from './standard-output.ts';

/** Adds `diarist models list|pull|verify|remove|path|import` to the program. */
export function registerModels(program: Command): void {
  const models = program.command('models').description('list, fetch, check and remove the models of this machine');
  models
    .command('list')
    .description('every known model, and which are on this machine')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const listings = await openStore().list();
      await writeToStandardOutput(options.json === true ? `${JSON.stringify(listings, null, 2)}\n` : table(listings));
    });
  models
    .command('pull')
    .description('fetch models, and check their bytes')
    .argument('<model...>', 'name, or hub:organisation/name')
    .action(pull);
  models
    .command('verify')
    .description('read every byte of models and compare it with what is known')
    .argument('[model...]', 'name, hub:organisation/name or path; all models of this machine when left out')
    .action(verify);
  models
    .command('remove')
    .description('remove models from the store, and the graphs written from them')
    .argument('<model...>', 'name, or hub:organisation/name')
    .action(remove);
  models
    .command('path')
    .description('print the folder of a model')
    .argument('<model>', 'name, hub:organisation/name or path')
    .action(async (name: string) => {
      process.stdout.write(`${await openStore().path(name)}\n`);
    });
  models
    .command('import')
    .description('copy a model from a folder or file into the store')
    .argument('<path>', 'folder or weight file (CTranslate2, safetensors, torch, ONNX)')
    .option('--name <name>', 'name to keep it under; the folder’s own when left out')
    .action(async (path: string, options: { name?: string }) => {
      const model = await withInterrupt((signal) => openStore().import(path, { ...options, signal }));
      process.stderr.write(`Imported ${model.name} into ${model.dir}.\n`);
    });
}

function openStore(): ModelStore {
  const { settings, environment } = loadConfig();
  return new ModelStore({ cacheDir: settings.cacheDir, env: environment });
}

async function pull(names: readonly string[]): Promise<void> {
  const store = openStore();
  const progress = new ModelProgress(process.stderr);
  for (const name of names) {
    try {
      const model = await withInterrupt((signal) =>
        store.ensure(name, {
          signal,
          onProgress: progress.update,
          onWait: (holder) => progress.note(`Process ${holder.pid} is fetching ${name} already; waiting for it.`),
        }),
      );
      progress.note(`${model.name} is in ${model.dir}.`);
    } finally {
      progress.clear();
    }
  }
}

async function remove(names: readonly string[]): Promise<void> {
  const { settings } = loadConfig();
  const store = openStore();
  for (const name of names) {
    // A damaged model can be removed as well, but not be looked into.
    const weightHash = (await store.find(name).catch(() => null))?.weightHash;
    await store.remove(name);
    if (weightHash !== undefined) removeGraphsOf(settings.cacheDir, weightHash);
    process.stderr.write(`Removed ${name}.\n`);
  }
}

async function verify(names: readonly string[]): Promise<void> {
  const store = openStore();
  const wanted = names.length > 0 ? names : await namesHere(store);
  if (wanted.length === 0) process.stdout.write('There are no models on this machine yet.\n');
  const broken: string[] = [];
  for (const name of wanted) {
    const report = await withInterrupt((signal) => store.verify(name, signal));
    process.stdout.write(`${report.problems.length === 0 ? 'ok     ' : 'BROKEN '} ${report.name}  ${report.dir}\n`);
    for (const problem of report.problems) process.stdout.write(`        ${problem}\n`);
    if (report.problems.length > 0) broken.push(report.name);
  }
  if (broken.length === 0) return;
  const repair = broken.map((name) => `"diarist models remove ${name}" and "diarist models pull ${name}"`).join(', ');
  throw new DiaristError('model_corrupt', `${broken.join(', ')} cannot be used as it is: run ${repair}.`);
}

async function namesHere(store: ModelStore): Promise<readonly string[]> {
  return (await store.list()).filter((listing) => listing.dir !== null).map((listing) => listing.name);
}

/** Runs work that Ctrl-C and SIGTERM end cleanly, so that what was received is kept for the next time. */
async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  using interruption = listenForInterruption(() => {});
  try {
    return await work(interruption.signal);
  } catch (error) {
    const exitCode = interruption.exitCode();
    if (exitCode === undefined) throw error;
    throw new Interrupted('Stopped; what has arrived is kept, and the same command goes on from there.', exitCode);
  }
}

function table(listings: readonly ModelListing[]): string {
  const rows = listings.map((listing) => [
    listing.dir === null ? ' ' : '✓',
    listing.name,
    listing.role,
    formatBytes(listing.bytes),
    listing.licence,
    listing.description || (listing.origin ?? ''),
  ]);
  const header = ['', 'NAME', 'ROLE', 'SIZE', 'LICENCE', 'WHAT IT IS'];
  return `${columns([header, ...rows], [3])}\n✓ on this machine. "diarist models pull NAME" fetches one.\n`;
}
