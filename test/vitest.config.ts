import { fileURLToPath } from 'node:url';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { LeftOut } from './left-out.js';
import { LongestFirst } from './longest-first.js';
import { SecondTries } from './second-tries.js';
import { THROUGH_MACOS } from './support/program.js';

/** What is timed, and what starts look-alikes of Claude Code that any run on this machine has to take into account. */
const ALONE = ['**/*.time.test.ts', 'run/owners.test.ts', 'observe/sessions.test.ts'];

/** What is run once more through macOS's adapter: whatever has servers, sessions or their stand-ins to look at. */
const LOOKED_AT = [
  'act/never',
  'anywhere/first-look',
  'library/library',
  'observe/macos/*',
  'run/{apart,asked,beside,busy,busy-clients,frozen,hung,late,meanwhile,shapes,stop,stopping,untrusted}',
  'session/{attach,background,hook,leases,watch}',
  'start/{secure,start,start-reaped,start-refused}',
  'state/plugins/{formats,plugin-files,plugin-servers}',
].map((name) => `${name}.test.ts`);

/** In the test's own process, too. */
const replaced = THROUGH_MACOS
  ? ['this-platform', 'glance'].map((name) => ({
      find: new RegExp(`^\\.\\.?/(?!.*\\bmacos/).*\\b${name}\\.js$`),
      replacement: new URL(`support/macos-adapter/${name}.ts`, import.meta.url).pathname,
    }))
  : [];

/**
 * What must never happen is shown at the first try or not at all. Everything else that waits for real programs gets a
 * second try in CI, whose machine may be starved by others; it is named at the end.
 */
const SAFETY = ['act/**/*.test.ts', 'decide/**/*.test.ts', 'fuzz.test.ts', 'run/{apart,beside,late,untrusted}.test.ts'];
const SECOND_TRIES = Boolean(process.env.CI);
/** Only where it makes a difference: each project transforms and loads all that it imports anew, some four seconds. */
const safety: TestProjectInlineConfiguration = {
  extends: true,
  test: {
    name: 'safety',
    include: THROUGH_MACOS ? ['act/never.test.ts', ...SAFETY.filter((name) => name.startsWith('run/'))] : SAFETY,
    exclude: ALONE,
    sequence: { groupOrder: 0 },
  },
};

const FEW = Boolean(process.env.EVERY_RELEASE) || THROUGH_MACOS;

export default defineConfig({
  resolve: { alias: replaced },
  test: {
    root: fileURLToPath(new URL('.', import.meta.url)),
    pool: 'forks',
    // No test changes what another file sees, and loading everything anew for each takes ten seconds in all.
    isolate: false,
    // Most of the time is waiting for servers and clients, so two cores carry six at a time; with two releases of each
    // server fewer, since a machine that is also starved shows what no user sees, and so when each look starts three programs.
    maxWorkers: FEW ? 2 : 6,
    maxConcurrency: FEW ? 3 : 5,
    globalSetup: './global-setup.ts',
    testTimeout: 240_000,
    hookTimeout: 240_000,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', new LeftOut(), new SecondTries()],
    projects: [
      {
        extends: true,
        test: {
          name: 'all',
          include: THROUGH_MACOS ? LOOKED_AT : ['**/*.test.ts'],
          exclude: [...ALONE, ...(SECOND_TRIES ? SAFETY : [])],
          sequence: { groupOrder: 0 },
          retry: SECOND_TRIES ? 1 : 0,
        },
      },
      ...(SECOND_TRIES ? [safety] : []),
      {
        extends: true,
        test: { name: 'alone', include: THROUGH_MACOS ? [] : ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
