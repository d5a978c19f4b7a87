import { defineConfig } from 'vitest/config';

/** `expect.poll` gives up after a second by itself. */
const patient = { poll: { timeout: 60_000 } };

/**
 * Unit tests touch nothing outside their process; integration tests share one real cluster, started once for the run; chaos tests kill parts of a
 * cluster of their own, after the others. Time limits are there for what never ends; they are far above what anything takes, because the
 * machine may be busy with something else.
 */
export default defineConfig({
  test: {
    maxWorkers: 2,
    teardownTimeout: 180_000,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Loading the modules anew for each file takes more time than the tests.
          isolate: false,
          testTimeout: 90_000,
          hookTimeout: 90_000,
          expect: patient,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts', 'test/story/**/*.test.ts'],
          globalSetup: ['test/global-setup.ts'],
          testTimeout: 240_000,
          expect: patient,
          hookTimeout: 300_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'chaos',
          include: ['test/chaos/**/*.test.ts'],
          testTimeout: 600_000,
          expect: patient,
          hookTimeout: 300_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
