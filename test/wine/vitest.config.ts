import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Not among the tests of `npm test`: they need Wine, and make a prefix of 1.4 GB. One prefix, so one file at a time. */
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('.', import.meta.url)),
    include: ['*.wine.ts'],
    globalSetup: './global-setup.ts',
    pool: 'forks',
    maxWorkers: 1,
    sequence: { concurrent: false },
    testTimeout: 300_000,
    hookTimeout: 700_000,
    reporters: ['verbose'],
  },
});
