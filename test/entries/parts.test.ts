import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type Fake,
  filesIn,
  identityOf,
  machine,
  SCHEMA,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { ROOT } from '../support/pages.js';
import { alive } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

/* The program in parts, which bin/opencode-reap.js runs, beside the whole program in one file, which is what gets copied. */

const DIST = join(ROOT, 'dist');

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox('parts');
});
afterEach(() => box.dispose());

const run = (program: string, words: readonly string[], before: readonly string[] = []) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...before, program, ...words], {
    env: box.env(),
    cwd: box.project,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
};

/** The parts that a command has loaded, without their hashes, and what it printed. */
function loadedBy(words: readonly string[]): string[] {
  const preload = join(box.root, 'loaded.cjs');
  const said = join(box.root, 'loaded.txt');
  const list = `Object.keys(require.cache).filter((file) => file.includes('/parts/')).join('\\n')`;
  writeFileSync(
    preload,
    `process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(said)}, ${list}));`,
  );
  const { status, stderr } = run(join(ROOT, 'bin/opencode-reap.js'), words, ['-r', preload]);
  expect([status, stderr]).toEqual([0, '']);
  const files = readFileSync(said, 'utf8').split('\n');
  return files.map((file) => file.replace(/^.*\/parts\//, '').replace(/(-[\w-]{8})?\.cjs$/, '')).sort();
}

test('a dry run and a list load nothing that stops anything, and help nothing that looks', () => {
  expect(loadedBy(['--dry-run', '--all-stale'])).toEqual(['look', 'program']);
  expect(loadedBy(['list', '--all'])).toEqual(['look', 'program']);
  expect(loadedBy(['stop', '--help'])).toEqual(['program']);
  expect(loadedBy(['--all-stale'])).toEqual(['look', 'more', 'program']);
});

test('what ends a process is in no part that a look loads', () => {
  const parts = join(DIST, 'parts');
  const ending = readdirSync(parts).filter((name) => readFileSync(join(parts, name), 'utf8').includes('process.kill('));
  const named = ending.map((name) => name.replace(/-[\w-]{8}\.cjs$/, ''));
  expect(named).toContain('more');
  expect(named).not.toContain('look');
});

test.each(['', 'list', 'why', 'stop', 'start', 'log', 'doctor', 'install', 'completion', 'pick'])(
  'what “%s --help” says is the same by the whole program',
  (name) => {
    const words = [...(name === '' ? [] : [name]), '--help'];
    const inParts = run(join(ROOT, 'bin/opencode-reap.js'), words);
    expect(inParts).toMatchObject({ status: 0, stderr: '' });
    expect(run(join(DIST, 'opencode-reap.cjs'), words)).toEqual(inParts);
  },
);

test('a part of another build is never taken: the program says that it was replaced', () => {
  cpSync(join(ROOT, 'bin'), join(box.root, 'package/bin'), { recursive: true });
  cpSync(join(DIST, 'parts'), join(box.root, 'package/dist/parts'), { recursive: true });
  const parts = join(box.root, 'package/dist/parts');
  const look = readdirSync(parts).find((name) => name.startsWith('look-')) ?? '';
  cpSync(join(parts, look), join(parts, 'look-00000000.cjs'));
  rmSync(join(parts, look));
  expect(run(join(box.root, 'package/bin/opencode-reap.js'), ['list'])).toEqual({
    status: 1,
    stdout: '',
    stderr: 'error: opencode-reap was replaced or removed while it ran\nhint: run it again\n',
  });
});

/** Each takes node 1 to 4 ms, which one import at the top of any module would cost every hook and every look. */
const SLOW = ['child_process', 'crypto', 'http', 'net', 'stream', 'tty', 'worker_threads'];

test.each([
  ['hook.cjs', 'hook doctor'],
  ['opencode-reap.mjs', 'hook doctor'],
  ['opencode-reap.vendor.cjs', 'hook doctor'],
  ['parts/program.cjs', '--dry-run --all-stale'],
  ['opencode-reap.cjs', '--dry-run --all-stale'],
])('%s, called with “%s”, loads none of node’s slow modules', (file, words) => {
  const [preload, said] = [join(box.root, 'native.cjs'), join(box.root, 'native.txt')];
  writeFileSync(
    preload,
    `const before = new Set(process.moduleLoadList);
    process.on('exit', () => {
      const loaded = process.moduleLoadList.filter((name) => !before.has(name));
      require('node:fs').writeFileSync(${JSON.stringify(said)}, loaded.join('\\n'));
    });`,
  );
  expect(run(join(DIST, file), words.split(' '), ['-r', preload])).toMatchObject({ status: 0, stderr: '' });
  const loaded = readFileSync(said, 'utf8').split('\n');
  expect(loaded.length).toBeGreaterThan(0);
  expect(SLOW.filter((name) => loaded.includes(`NativeModule ${name}`))).toEqual([]);
});

/** Runs a copy of the package, all of which is removed before the program opens or links a file of that name. */
function runUntilItIsGone(words: readonly string[], before: string) {
  const copy = join(box.root, 'copy');
  for (const part of ['bin', 'dist/parts']) cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  const preload = join(box.root, 'gone.cjs');
  const remove = `fs.rmSync(${JSON.stringify(copy)}, { recursive: true, force: true })`;
  writeFileSync(
    preload,
    `const fs = require('node:fs');
    for (const name of ['openSync', 'linkSync']) {
      const real = fs[name];
      fs[name] = (...args) => (args.some((arg) => String(arg).includes(${JSON.stringify(before)})) && ${remove}, real(...args));
    }`,
  );
  const result = run(join(copy, 'bin/opencode-reap.js'), words, ['-r', preload]);
  return { ...result, isGone: !existsSync(copy) };
}

test.each([
  ['a run', ['--all-stale', '--older-than', '0s', '--grace', '30s']],
  ['stop', ['stop', 'one', '--yes', '--grace', '30s']],
])('%s whose package is removed as it begins to stop a server stops it, and says so', async (_, words) => {
  const fake: Fake = await startFake(box);
  await writeRecord(box, 'one', fake);
  const { isGone, status, stdout, stderr } = runUntilItIsGone(words, '/closing/');
  expect({ isGone, status, stderr }).toEqual({ isGone: true, status: 0, stderr: '' });
  expect(stdout).toMatch(/^stopped/m);
  expect(alive(fake.pid)).toBe(false);
  expect(filesIn(box.stateDir).filter((file) => /\/(servers|closing)\//.test(file))).toEqual([]);
});

test('a watch whose package is removed while it waits still looks', async () => {
  await writeRecord(box, 'one', await startFake(box));
  const holder = { holder: identityOf(process.pid), machine: machine(), holdsMs: 600_000 };
  await writeState(box.stateDir, 'watch.json', { schema: SCHEMA, token: 'ours', ...holder });
  expect(runUntilItIsGone(['watch', 'ours'], '/watch.json')).toMatchObject({
    isGone: true,
    status: 0,
    stderr: '',
    stdout: expect.stringMatching(/^\d+\n$/),
  });
  expect(filesIn(box.stateDir).filter((file) => file.endsWith('log.ndjson'))).toEqual([]);
});
