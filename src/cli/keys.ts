import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { DiaristError } from '../core/errors.ts';
import { readUsage } from '../jobs/usage-report.ts';
import { type ApiKey, ApiKeys, type KeyLimits, SCOPES, type Scope } from '../server/security/api-keys.ts';
import { columns } from './columns.ts';
import { writeToStandardOutput } from './standard-output.ts';

interface CreateFlags {
  readonly scopes: string;
  readonly rate?: string;
  readonly concurrency?: string;
  readonly dailySeconds?: string;
  readonly monthlySeconds?: string;
}

/** Adds `diarist keys create|list|revoke|usage` to the program. They work while the server runs. */
export function registerKeys(program: Command): void {
  const keys = program.command('keys').description('make and revoke the API keys of the server');
  keys
    .command('create')
    .description('make a key; it is shown once and stored nowhere')
    .argument('<name>', 'whose it is, for you to know')
    .option('--scopes <scopes>', `what it may do, separated by commas: ${SCOPES.join(', ')}`, 'audio:stt,status:read')
    .option('--rate <n>', 'most requests a minute')
    .option('--concurrency <n>', 'most jobs at a time')
    .option('--daily-seconds <n>', 'most seconds of audio a day (UTC)')
    .option('--monthly-seconds <n>', 'most seconds of audio a month (UTC)')
    .action(create);
  keys
    .command('list')
    .description('every key, without its secret')
    .option('--json', 'print JSON')
    .action(async (flags: { readonly json?: boolean }) => {
      using store = openKeys();
      await print(store.list(), flags.json === true, keyTable);
    });
  keys
    .command('revoke')
    .description('take a key back; it is refused from the next request on')
    .argument('<key>', 'id or name')
    .action((idOrName: string) => {
      using store = openKeys();
      const key = store.revoke(idOrName);
      process.stderr.write(`Revoked ${key.name} (${key.id}).\n`);
    });
  keys
    .command('usage')
    .description('recordings and seconds of audio of each key in a month')
    .option('--month <yyyy-mm>', 'the month (default: this one, UTC)')
    .option('--json', 'print JSON')
    .action(usage);
}

function openKeys(): ApiKeys {
  return new ApiKeys(loadConfig().settings.dataDir);
}

async function create(name: string, flags: CreateFlags): Promise<void> {
  if (name.trim() === '') throw new DiaristError('usage', 'A key needs a name: say whose it is.');
  const limits: KeyLimits = {
    ...(flags.rate !== undefined && { requestsPerMinute: count(flags.rate, '--rate') }),
    ...(flags.concurrency !== undefined && { concurrentJobs: count(flags.concurrency, '--concurrency') }),
    ...(flags.dailySeconds !== undefined && { audioSecondsPerDay: count(flags.dailySeconds, '--daily-seconds') }),
    ...(flags.monthlySeconds !== undefined && {
      audioSecondsPerMonth: count(flags.monthlySeconds, '--monthly-seconds'),
    }),
  };
  const scopes = readScopes(flags.scopes);
  using store = openKeys();
  const { key, facts } = store.create(name.trim(), scopes, limits);
  await writeToStandardOutput(`${key}\n`);
  process.stderr.write(`This is the key of ${facts.name} (${facts.id}). It cannot be shown again: store it now.\n`);
}

function count(text: string, flag: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (value > 0) return value;
  throw new DiaristError('usage', `${flag} must be a whole number of 1 or more, not "${text}".`);
}

function readScopes(text: string): readonly Scope[] {
  return text.split(',').map((one) => {
    const scope = SCOPES.find((known) => known === one.trim());
    if (scope !== undefined) return scope;
    throw new DiaristError('usage', `--scopes knows no "${one.trim()}": use ${SCOPES.join(', ')}.`);
  });
}

interface UsageRow {
  readonly id: string;
  readonly name: string;
  readonly jobs: number;
  readonly audioSeconds: number;
}

async function usage(flags: { readonly month?: string; readonly json?: boolean }): Promise<void> {
  const { dataDir } = loadConfig().settings;
  const [since, until] = monthOf(flags.month);
  const used = readUsage(dataDir, since, until);
  using store = new ApiKeys(dataDir);
  const names = new Map(store.list().map((key) => [key.id, key.name]));
  const rows = [...new Set([...names.keys(), ...used.keys()])].map(
    (id): UsageRow => ({ id, name: names.get(id) ?? '', jobs: 0, audioSeconds: 0, ...used.get(id) }),
  );
  await print(rows, flags.json === true, usageTable);
}

/** First millisecond of a month and of the one behind it. */
function monthOf(text: string | undefined): readonly [number, number] {
  const now = new Date();
  const match = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text ?? now.toISOString().slice(0, 7));
  if (match === null) throw new DiaristError('usage', `--month must be a month such as 2026-11, not "${text}".`);
  const [year, month] = [Number(match[1]), Number(match[2])];
  return [Date.UTC(year, month - 1), Date.UTC(year, month)];
}

async function print<T>(rows: readonly T[], asJson: boolean, table: (rows: readonly T[]) => string): Promise<void> {
  await writeToStandardOutput(asJson ? `${JSON.stringify(rows, null, 2)}\n` : table(rows));
}

function keyTable(keys: readonly ApiKey[]): string {
  if (keys.length === 0) return 'There are no keys yet: "diarist keys create NAME" makes one.\n';
  const day = (time: number | undefined): string =>
    time === undefined ? '-' : new Date(time).toISOString().slice(0, 10);
  return columns([
    ['ID', 'NAME', 'SCOPES', 'MADE', 'LAST USED', 'STATE', 'LIMITS'],
    ...keys.map(({ id, name, scopes, createdAt, lastUsedAt, revokedAt, limits }) => [
      ...[id, name, scopes.join(','), day(createdAt), day(lastUsedAt)],
      revokedAt === undefined ? 'valid' : `revoked ${day(revokedAt)}`,
      describeLimits(limits),
    ]),
  ]);
}

function describeLimits(limits: KeyLimits): string {
  const { requestsPerMinute, concurrentJobs, audioSecondsPerDay, audioSecondsPerMonth } = limits;
  const parts = [
    requestsPerMinute && `${requestsPerMinute} requests/min`,
    concurrentJobs && `${concurrentJobs} jobs at a time`,
    audioSecondsPerDay && `${audioSecondsPerDay} s/day`,
    audioSecondsPerMonth && `${audioSecondsPerMonth} s/month`,
  ];
  return parts.filter(Boolean).join(', ') || '-';
}

function usageTable(rows: readonly UsageRow[]): string {
  return columns([
    ['ID', 'NAME', 'RECORDINGS', 'AUDIO SECONDS'],
    ...rows.map(({ id, name, jobs, audioSeconds }) => [id, name, String(jobs), audioSeconds.toFixed(1)]),
  ]);
}
