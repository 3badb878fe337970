import { defineConfig } from 'vitest/config';
import { LongestFirst } from './longest-first.js';
import { THROUGH_MACOS } from './support/program.js';

/** What is timed, and what starts look-alikes of Claude Code that any run on this machine has to take into account. */
const ALONE = ['**/*.time.test.ts', 'observe/sessions.test.ts'];

/** In the test's own process, too. */
const replaced = THROUGH_MACOS
  ? ['this-platform', 'glance'].map((name) => ({
      find: new RegExp(`^\\.\\.?/(?!.*\\bmacos/).*\\b${name}\\.js$`),
      replacement: new URL(`support/macos-adapter/${name}.ts`, import.meta.url).pathname,
    }))
  : [];

export default defineConfig({
  resolve: { alias: replaced },
  test: {
    root: new URL('.', import.meta.url).pathname,
    pool: 'forks',
    // No test changes what another file sees, and loading everything anew for each takes ten seconds in all.
    isolate: false,
    // Most of the time is waiting for servers and clients, so two cores carry five at a time; with two releases of each
    // server fewer, since a machine that is also starved shows what no user sees.
    maxWorkers: process.env.EVERY_RELEASE ? 2 : 5,
    maxConcurrency: process.env.EVERY_RELEASE ? 3 : 5,
    globalSetup: './global-setup.ts',
    testTimeout: 240_000,
    hookTimeout: 240_000,
    sequence: { sequencer: LongestFirst },
    reporters: ['default'],
    projects: [
      { extends: true, test: { name: 'all', include: ['**/*.test.ts'], exclude: ALONE, sequence: { groupOrder: 0 } } },
      { extends: true, test: { name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
