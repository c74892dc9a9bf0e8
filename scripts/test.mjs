// `npm test`: installs what is missing, runs every check and every test, and ends with "N passed, N failed".
// `npm test -- ARGUMENTS` hands the arguments to vitest and runs the tests alone.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { dependenciesAreInstalled, installDependencies, root, runQuietly, suppliedNode } from './dependencies.mjs';
import { installPrograms, missingPrograms } from './system-packages.mjs';

const TEST_PROGRAMS = ['ffmpeg', 'espeak-ng', 'sox'];
const STARTER_MODELS = ['base', 'segmentation-3.0', 'campplus', 'sample'];

const total = { passed: 0, failed: 0, skipped: 0 };
const vitestArguments = process.argv.slice(2);

await prepare();
if (vitestArguments.length === 0) {
  await check('starter models', [suppliedNode, 'bin/diarist', 'models', 'pull', ...STARTER_MODELS]);
  await check('typecheck', packageBinary('typescript', 'bin/tsc', '-p', 'tsconfig.json'));
  await check('lint', packageBinary('@biomejs/biome', 'bin/biome', 'check', '.'));
  await check('structure', [suppliedNode, 'scripts/structure.mjs']);
  await check('unused code', packageBinary('knip', 'bin/knip.js'));
  await check('build', [suppliedNode, 'scripts/build.mjs']);
}
await runVitest();
finish();

async function prepare() {
  if (!dependenciesAreInstalled()) {
    const started = performance.now();
    const { ok, output } = await installDependencies();
    if (!ok) {
      console.log(output);
      total.failed += 1;
      finish();
    }
    report('dependencies installed', started);
  }
  if (!existsSync(suppliedNode)) {
    console.log(`The Node that npm supplies is missing at ${path.relative(root, suppliedNode)}: run npm ci.`);
    total.failed += 1;
    finish();
  }
  // What is started from here on, by whatever name, is the supplied Node and the packages' own programs.
  process.env.PATH = path.join(root, 'node_modules/.bin') + path.delimiter + process.env.PATH;
  if (missingPrograms(TEST_PROGRAMS).length > 0) {
    const { missing, command } = await installPrograms(TEST_PROGRAMS);
    if (missing.length > 0) {
      const advice = command ? `: run ${command}` : '';
      console.log(`note: ${missing.join(', ')} not found, so tests that need it cannot pass${advice}`);
    }
  }
}

function packageBinary(name, file, ...args) {
  return [suppliedNode, path.join(root, 'node_modules', name, file), ...args];
}

async function check(name, [program, ...args]) {
  const started = performance.now();
  const { ok, output } = await runQuietly([program], args);
  total[ok ? 'passed' : 'failed'] += 1;
  if (!ok) console.log(output.trimEnd());
  report(`${ok ? 'ok    ' : 'FAILED'} ${name}`, started);
}

async function runVitest() {
  const scratch = mkdtempSync(path.join(tmpdir(), 'diarist-test-'));
  const countsFile = path.join(scratch, 'counts.json');
  const [program, ...args] = packageBinary(
    'vitest',
    'vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=./scripts/test-reporter.mjs',
    ...vitestArguments,
  );
  await new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DIARIST_TEST_COUNTS: countsFile },
    });
    child.on('error', resolve);
    child.on('close', resolve);
  });
  try {
    const counts = JSON.parse(readFileSync(countsFile, 'utf8'));
    for (const key of Object.keys(total)) total[key] += counts[key];
  } catch {
    console.log('vitest ended without a result.');
    total.failed += 1;
  }
  rmSync(scratch, { recursive: true, force: true });
}

function report(line, started) {
  console.log(`${line} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
}

function finish() {
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
}
