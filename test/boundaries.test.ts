import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

interface Import {
  readonly from: string;
  /** A path below src, the name of a package, or `node:…`. */
  readonly to: string;
}

const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
  /\.[cm]?[jt]s$/.test(name),
);

const textOf = (source: string): string => readFileSync(join(ROOT, 'src', source), 'utf8');

const importsOf = (from: string): Import[] =>
  ts.preProcessFile(textOf(from), true, true).importedFiles.map(({ fileName }) => ({
    from,
    to: fileName.startsWith('.') ? normalize(join(dirname(from), fileName)).replace(/\.js$/, '.ts') : fileName,
  }));

const imports = sources.flatMap(importsOf);
const own = imports.filter(({ to }) => sources.includes(to));
const foreign = imports.filter(({ to }) => !sources.includes(to));

const shown = (wrong: readonly Import[]): string[] => wrong.map(({ from, to }) => `${from} imports ${to}`);

const SIBLINGS = ['state', 'observe', 'act', 'report'];
const ENTRIES = /^((cli|hook|hook-main|index|main|vendor)\.ts$|commands\/)/;

const folderOf = (source: string): string => (source.includes('/') ? (source.split('/')[0] ?? '') : '');

/** 0 decides, 1 reads, looks, acts and reports, 2 ties those together, 3 is where the program is entered. */
function layerOf(source: string): number {
  if (folderOf(source) === 'decide') return 0;
  if (SIBLINGS.includes(folderOf(source))) return 1;
  return ENTRIES.test(source) ? 3 : 2;
}

describe('imports', () => {
  test('are those of a TypeScript program, all of them found', () => {
    expect(sources.filter((source) => !/^[a-z0-9/-]+\.ts$/.test(source))).toEqual([]);
    expect(shown(foreign.filter(({ to }) => /^[./]/.test(to) || to.endsWith('.ts')))).toEqual([]);
    expect(own.length).toBeGreaterThan(100);
  });

  test('go one way: entry, flow, then state, observe, act and report, then decide', () => {
    expect(shown(own.filter(({ from, to }) => layerOf(from) < layerOf(to)))).toEqual([]);
  });

  test('never go from one of state, observe, act and report to another', () => {
    const across = own.filter(
      ({ from, to }) => layerOf(from) === 1 && layerOf(to) === 1 && folderOf(from) !== folderOf(to),
    );
    expect(shown(across)).toEqual([]);
  });

  test('of decide stay in decide', () => {
    expect(shown(imports.filter(({ from, to }) => layerOf(from) === 0 && folderOf(to) !== 'decide'))).toEqual([]);
  });
});

describe('each dependency has one door', () => {
  const DOORS: Readonly<Record<string, RegExp>> = {
    commander: /^cli\.ts$/,
    chalk: /^report\//,
    'ps-list': /^observe\//,
    'pid-port': /^observe\//,
    'jsonc-parser': /^install\//,
  };
  const packages = foreign.filter(({ to }) => !to.startsWith('node:'));

  test.each(Object.entries(DOORS))('%s: %s', (name, door) => {
    const users = packages.filter(({ to }) => to === name).map(({ from }) => from);
    expect(users.filter((from) => !door.test(from))).toEqual([]);
  });

  test('and no other one is imported, or installed without being used', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect([...new Set(packages.map(({ to }) => to))].sort()).toEqual(Object.keys(dependencies).sort());
    expect(Object.keys(dependencies).filter((name) => DOORS[name] === undefined)).toEqual([]);
  });

  // What may keep whoever asks it for ever is asked by a process of its own: that is a way of looking.
  const ASKS = 'observe/ask-disk.ts';

  test('node:child_process is opened in act/ alone, but for one look, and processes are signalled there alone', () => {
    const starts = foreign.filter(({ to }) => /^(node:)?(child_process|cluster|worker_threads)$/.test(to));
    expect(starts.map(({ from }) => from).filter((from) => folderOf(from) !== 'act')).toEqual([ASKS]);
    const signals = sources.filter((source) => /\bprocess\s*(\.|\[['"])\s*kill\b|\.kill\(/.test(textOf(source)));
    expect(signals).toEqual(['act/signal.ts']);
  });
});

test('what decides has no clock, no chance, no process and no output', () => {
  const IMPURE =
    /\b(Date\.now|new Date|performance|Math\.random|console|globalThis|setTimeout|setInterval|fetch|require)\b|\bprocess\.(arch|argv|cwd|emit|env|exit|getuid|hrtime|kill|memoryUsage|nextTick|on|platform|ppid|stderr|stdin|stdout|uptime|version)\b/;
  const code = (source: string): string => textOf(source).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  const decide = sources.filter((source) => layerOf(source) === 0);
  expect(decide.length).toBeGreaterThan(10);
  expect(decide.flatMap((source) => IMPURE.exec(code(source))?.[0] ?? [])).toEqual([]);
});
