import { defineConfig } from 'vitest/config';

const shared = {
  globalSetup: ['test/e2e/global-setup.ts'],
  fileParallelism: false,
  testTimeout: 300_000,
  // By itself expect.poll gives up after a second.
  expect: { poll: { timeout: 60_000 } },
  hookTimeout: 400_000,
};

/**
 * Tests on a real cluster, which test/e2e/run.ts starts before: `npm run test:e2e`. Apart from vitest.config.ts, because they need root and
 * programs of the distribution. One file after the other: they restart parts of the cluster that all share. The removal comes last.
 */
export default defineConfig({
  test: {
    teardownTimeout: 180_000,
    projects: [
      {
        test: {
          ...shared,
          name: 'e2e',
          include: ['test/story/**/*.test.ts', 'test/e2e/*.test.ts'],
          sequence: { groupOrder: 1 },
        },
      },
      { test: { ...shared, name: 'removal', include: ['test/e2e/end/*.test.ts'], sequence: { groupOrder: 2 } } },
    ],
  },
});
