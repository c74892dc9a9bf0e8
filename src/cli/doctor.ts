import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { neededModels } from '../models/needed-models.ts';
import type { CheckResult, CheckStatus } from './doctor-checks.ts';
import { type Style, styled } from './terminal.ts';

const SIGNS: Readonly<Record<CheckStatus, readonly [string, Style]>> = {
  ok: ['✓', 'green'],
  warning: ['!', 'yellow'],
  problem: ['✗', 'red'],
};

/** Adds `diarist doctor` to the program: exit code 1 when a transcription would fail. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('say what works here, what is missing, and how to get it')
    .option('-m, --model <model>', 'model to look for (default: base, or DIARIST_MODEL)')
    .option('--device <device>', 'device to look for (default: auto, or DIARIST_DEVICE)')
    .option('--json', 'print JSON')
    .action(async (flags: { readonly model?: string; readonly device?: string; readonly json?: boolean }) => {
      const results = await examine(flags);
      const healthy = results.every((result) => result.status !== 'problem');
      const coloured = process.stdout.isTTY === true && !loadConfig().environment.NO_COLOR;
      process.stdout.write(
        flags.json === true
          ? `${JSON.stringify({ ok: healthy, checks: results }, null, 2)}\n`
          : report(results, coloured),
      );
      process.exitCode = healthy ? 0 : 1;
    });
}

async function examine(flags: { readonly model?: string; readonly device?: string }): Promise<CheckResult[]> {
  const config = loadConfig({ flags: { model: flags.model, device: flags.device } });
  const { settings, environment } = config;
  const checks = await import('./doctor-checks.ts');
  return await Promise.all([
    checks.checkNode(),
    checks.checkSettings(config),
    checks.checkFfmpeg(environment),
    checks.checkInference(config),
    checks.checkCpu(),
    checks.checkMemory(config),
    checks.checkFolder('cache', settings.cacheDir, 'DIARIST_CACHE'),
    checks.checkFolder('data', settings.dataDir, 'DIARIST_DATA'),
    ...neededModels(settings.model).map((model) => checks.checkModel(config, model)),
  ]);
}

function report(results: readonly CheckResult[], coloured: boolean): string {
  const width = Math.max(...results.map((result) => result.name.length));
  const lines = results.flatMap(({ name, status, finding, remedy }) => {
    const [sign, style] = SIGNS[status];
    const line = `${styled(sign, style, coloured)} ${name.padEnd(width)}  ${finding}`;
    return remedy === undefined
      ? [line]
      : [line, `  ${' '.repeat(width)}  ${styled('->', 'bold', coloured)} ${remedy}`];
  });
  const problems = results.filter((result) => result.status === 'problem').length;
  const verdict =
    problems === 0
      ? 'Recordings can be transcribed here.'
      : `${problems} ${problems === 1 ? 'problem stands' : 'problems stand'} in the way of a transcription.`;
  return `${lines.join('\n')}\n\n${verdict}\n`;
}
