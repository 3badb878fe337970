import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT } from '../support/pages.js';
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
  expect(loadedBy(['--all-stale'])).toEqual(expect.arrayContaining(['carry-out', 'look', 'program']));
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
