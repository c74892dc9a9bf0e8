import { defineConfig } from 'vitest/config';

// Two workers: the tests start engines that use every core themselves.
export default defineConfig({
  test: {
    maxWorkers: 2,
    passWithNoTests: false,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'bench/**/*.test.ts', 'scripts/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/**/*.e2e.test.ts'],
          // The first transcription on a machine also writes the graphs.
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
