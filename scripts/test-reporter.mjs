import { writeFileSync } from 'node:fs';

/**
 * Vitest reporter that says why each test was skipped and leaves the counts where scripts/test.mjs finds them
 * (the file named by DIARIST_TEST_COUNTS).
 */
export default class CountingReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      let ownTestFailed = false;
      for (const test of module.children.allTests()) {
        const result = test.result();
        const state = result.state in counts ? result.state : 'skipped';
        counts[state] += 1;
        if (state === 'failed') ownTestFailed = true;
        if (state === 'skipped') {
          const reason = result.note ?? 'no reason given';
          process.stdout.write(`skipped: ${module.relativeModuleId} > ${test.fullName}: ${reason}\n`);
        }
      }
      // A file that cannot be loaded has no tests, and a hook that throws may leave none failed.
      if (module.state() === 'failed' && !ownTestFailed) counts.failed += 1;
    }
    if (process.env.DIARIST_TEST_COUNTS) writeFileSync(process.env.DIARIST_TEST_COUNTS, JSON.stringify(counts));
  }
}
