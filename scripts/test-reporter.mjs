import { writeFileSync } from 'node:fs';

/**
 * Vitest reporter that says why tests were skipped and leaves the counts where scripts/test.mjs finds them (the file
 * named by DIARIST_TEST_COUNTS). A test that did not run because its set-up failed counts as failed.
 */
export default class CountingReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    const skips = new Map();
    for (const module of modules) {
      let ownTestFailed = false;
      for (const test of module.children.allTests()) {
        const { state, note } = test.result();
        if (state === 'passed') counts.passed += 1;
        else if (state === 'failed' || setUpFailed(test)) {
          counts.failed += 1;
          ownTestFailed = true;
        } else {
          counts.skipped += 1;
          // Tests that are skipped together say why in the name of their suite.
          const reason = `${module.relativeModuleId}: ${note ?? (test.parent === module ? test.name : test.parent.fullName)}`;
          skips.set(reason, (skips.get(reason) ?? 0) + 1);
        }
      }
      // A file that cannot be loaded has no tests.
      if (module.state() === 'failed' && !ownTestFailed) counts.failed += 1;
    }
    for (const [reason, count] of skips)
      process.stdout.write(`skipped: ${reason}${count > 1 ? ` (${count} tests)` : ''}\n`);
    if (process.env.DIARIST_TEST_COUNTS) writeFileSync(process.env.DIARIST_TEST_COUNTS, JSON.stringify(counts));
  }
}

function setUpFailed(test) {
  for (let suite = test.parent; suite; suite = suite.parent) {
    if (suite.errors().length > 0) return true;
  }
  return false;
}
