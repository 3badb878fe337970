import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type File, startTests, type Task, type VitestRunner } from '@vitest/runner';
import { expect } from './vitest.js';

/* Runs bundled test files in one process of node.exe, and writes down what became of each. usage: node main.mjs OUT FILE… */

const [out = '', ...files] = process.argv.slice(2);
writeFileSync(out, '[]');

const runner = {
  config: {
    root: process.cwd(),
    setupFiles: [],
    name: undefined,
    passWithNoTests: true,
    testNamePattern: undefined,
    allowOnly: false,
    sequence: { shuffle: false, concurrent: false, seed: 1, hooks: 'stack', setupFiles: 'list' },
    chaiConfig: undefined,
    maxConcurrency: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    retry: 0,
    includeTaskLocation: false,
    tags: [],
    tagsFilter: undefined,
    strictTags: false,
  },
  importFile: (path: string) => import(pathToFileURL(path).href),
  extendTaskContext: (context: object) => Object.assign(context, { expect }),
} as unknown as VitestRunner;

interface Told {
  readonly name: string;
  readonly state: string | undefined;
  readonly error: string | undefined;
  /** Why it was skipped, where it says so while it runs. */
  readonly note: string | undefined;
}

const told = (task: Task, above = ''): Told[] => {
  const name = above === '' ? task.name : `${above} > ${task.name}`;
  const error = task.result?.errors?.[0];
  const state = task.result?.state ?? task.mode;
  const here = {
    name,
    state,
    error: error && `${error.name}: ${error.message}`,
    note: (task.result as { readonly note?: string } | undefined)?.note,
  };
  if (task.type === 'test') return [here];
  const below = task.tasks.flatMap((one) => told(one, name));
  return error ? [here, ...below] : below;
};

const results: { file: string; ms: number; tests: Told[] }[] = [];
for (const file of files) {
  const began = performance.now();
  const [ran] = (await startTests([file], runner)) as readonly (File | undefined)[];
  const tests = ran ? ran.tasks.flatMap((task) => told(task)) : [];
  const failed = ran?.result?.errors?.[0];
  if (failed)
    tests.unshift({
      name: 'the file itself',
      state: 'fail',
      error: `${failed.name}: ${failed.message}`,
      note: undefined,
    });
  results.push({ file, ms: Math.round(performance.now() - began), tests });
  writeFileSync(out, JSON.stringify(results));
}
process.exit(0);
