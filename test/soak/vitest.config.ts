import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Not among the tests of `npm test`: a thousand cycles take an hour. */
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('.', import.meta.url)),
    include: ['*.soak.ts'],
    pool: 'forks',
    maxWorkers: 1,
    reporters: ['verbose'],
  },
});
