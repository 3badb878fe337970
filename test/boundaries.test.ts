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

const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.[cm]?[jt]s$/.test(name))
  .sort();

const textOf = (source: string): string => readFileSync(join(ROOT, 'src', source), 'utf8');

/** Without comments. */
const codeOf = (source: string): string => textOf(source).replace(/\/\*[\s\S]*?\*\/|(^|[\s;,{}()])\/\/.*$/gm, '$1');

const importsOf = (from: string): Import[] =>
  ts.preProcessFile(textOf(from), true, true).importedFiles.map(({ fileName }) => ({
    from,
    to: fileName.startsWith('.') ? normalize(join(dirname(from), fileName)).replace(/\.js$/, '.ts') : fileName,
  }));

const imports = sources.flatMap(importsOf);
const own = imports.filter(({ to }) => sources.includes(to));
const foreign = imports.filter(({ to }) => !sources.includes(to));

const shown = (wrong: readonly Import[]): string[] => wrong.map(({ from, to }) => `${from} imports ${to}`);

/** What a list of files and folders covers; both are written from the root of the repository. */
const covers = (places: readonly string[], source: string): boolean =>
  places.some((place) => (place.endsWith('/') ? `src/${source}`.startsWith(place) : `src/${source}` === place));

/** A folder or file of src, and how high it is: the rows of the page's table, the topmost one first. */
interface Room {
  readonly name: string;
  readonly floor: number;
}

function roomsOnThePage(): Room[] {
  const page = readFileSync(join(ROOT, 'docs/design.md'), 'utf8');
  const section = /^## Floors$([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(page)?.[1] ?? '';
  const cells = section.split('\n').flatMap((line) => /^\| (`.*?) \|/.exec(line)?.[1] ?? []);
  return cells.flatMap((cell, at) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => ({ name, floor: cells.length - at })),
  );
}

const rooms = roomsOnThePage();

/** `*` is whatever has no room of its own. */
const roomOf = (source: string): Room | undefined =>
  rooms.find(({ name }) => (name.endsWith('/') ? source.startsWith(name) : source === name)) ??
  rooms.find(({ name }) => name === '*');

const PURE = ['src/decide/', 'src/model/', 'src/common/'];
const isPure = (source: string): boolean => covers(PURE, source);

describe('imports', () => {
  test('are those of a TypeScript program, all of them found', () => {
    expect(sources.filter((source) => !/^[a-z0-9/-]+\.ts$/.test(source))).toEqual([]);
    expect(shown(foreign.filter(({ to }) => /^[./]/.test(to) || to.endsWith('.ts')))).toEqual([]);
    expect(own.length).toBeGreaterThan(100);
  });

  test('are of files that each have a room on a floor of docs/design.md, and no room is empty', () => {
    expect(sources.filter((source) => roomOf(source) === undefined)).toEqual([]);
    const inUse = new Set(sources.map((source) => roomOf(source)?.name));
    expect(rooms.map(({ name }) => name).filter((name) => !inUse.has(name))).toEqual([]);
  });

  test('go down from one floor to another', () => {
    const floorOf = (source: string): number => roomOf(source)?.floor ?? 0;
    expect(shown(own.filter(({ from, to }) => floorOf(from) < floorOf(to)))).toEqual([]);
  });

  test('never go from one room to another on the same floor', () => {
    const across = own.filter(({ from, to }) => {
      const [here, there] = [roomOf(from), roomOf(to)];
      return here?.floor === there?.floor && here?.name !== there?.name;
    });
    expect(shown(across)).toEqual([]);
  });

  test('of what decides, and of what it decides about, stay there', () => {
    expect(shown(imports.filter(({ from, to }) => isPure(from) && !isPure(to)))).toEqual([]);
  });
});

describe('each dependency has one door', () => {
  const DOORS: Readonly<Record<string, readonly string[]>> = {
    '@clack/core': ['src/cli/prompt.ts'],
    commander: ['src/cli/cli.ts'],
    chalk: ['src/report/'],
    'ps-list': ['src/observe/'],
    'pid-port': ['src/observe/'],
    'jsonc-parser': ['src/install/'],
    'tree-kill': ['src/act/'],
  };
  /** The bundle has what it takes of it; installed, it would want a newer node than we do for the rest. */
  const BUNDLED_ALONE = ['@clack/core'];
  const packages = foreign.filter(({ to }) => !to.startsWith('node:'));

  test.each(Object.entries(DOORS))('%s: %s', (name, door) => {
    const users = packages.filter(({ to }) => to === name).map(({ from }) => from);
    expect(users.filter((from) => !covers(door, from))).toEqual([]);
  });

  test('and no other one is imported, or installed without being used', () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const known = [...Object.keys(dependencies), ...BUNDLED_ALONE];
    expect([...new Set(packages.map(({ to }) => to))].sort()).toEqual(known.sort());
    expect(known.filter((name) => DOORS[name] === undefined)).toEqual([]);
    expect(BUNDLED_ALONE.filter((name) => devDependencies[name] === undefined)).toEqual([]);
  });
});

describe('other processes', () => {
  /** What runs a program to its end, to learn something from it. */
  const RUNS_TO_ITS_END = ['src/act/run-once.ts', 'src/observe/ask-disk.ts', 'src/observe/run-tool.ts'];

  const openers = [...new Set(foreign.filter(({ to }) => /^(node:)?child_process$/.test(to)).map(({ from }) => from))];

  /** The functions of node:child_process that a file imports by name; `*` where it takes the whole. */
  const namesIn = (source: string): string[] => {
    const [, what = '*'] = /^import \{([^}]*)\} from '(?:node:)?child_process';$/m.exec(textOf(source)) ?? [];
    return what.split(',').flatMap((name) => (/^\s*type\s/.test(name) ? [] : name.trim().replace(/ as .*/, '')));
  };
  const starters = openers.flatMap((source) => namesIn(source).map((name) => ({ source, name })));
  const WAITS = /^(exec|execFile|execFileSync|execSync|spawnSync)$/;

  test('that outlive us, or that we talk to, are started in act/ alone', () => {
    const others = starters.filter(({ name }) => !WAITS.test(name));
    expect(others.length).toBeGreaterThan(1);
    expect(others.filter(({ source }) => !covers(['src/act/'], source))).toEqual([]);
    expect(shown(foreign.filter(({ to }) => /^(node:)?(cluster|worker_threads)$/.test(to)))).toEqual([]);
  });

  test('that are run to their end are run in these places alone', () => {
    const places = starters.filter(({ name }) => WAITS.test(name)).map(({ source }) => `src/${source}`);
    expect([...new Set(places)]).toEqual(RUNS_TO_ITS_END);
  });

  test('have no shell, but for the two that give away what outlives us, with a fixed script', () => {
    expect(starters.filter(({ name }) => /^exec(Sync)?$/.test(name))).toEqual([]);
    const named = (source: string): boolean => /\bshell:|['"`](\/bin\/)?(ba|da|z)?sh['"`]/.test(codeOf(source));
    const shells = sources.filter((source) => covers(['src/act/', 'src/observe/'], source) && named(source));
    expect(shells).toEqual(['act/start-background.ts', 'act/start-watch.ts']);
  });

  test('are signalled in one place', () => {
    // Signal 0 only asks whether there is a process.
    const acting = (source: string): string => textOf(source).replaceAll('process.kill(pid, 0)', '');
    const signals = sources.filter((source) => /\bprocess\s*(\.|\[['"])\s*kill\b|\.kill\(/.test(acting(source)));
    expect(signals.map((source) => `src/${source}`)).toEqual(['src/act/signal.ts']);
  });
});

test('what may write to a terminal is in these places alone, each of which cleans what it did not make', () => {
  const WRITERS = [
    // A child's answer to us, and so are the next two.
    'src/act/probe.ts',
    // Help, which is all ours.
    'src/cli/cli.ts',
    'src/cli/commands/start.ts',
    'src/cli/commands/stop.ts',
    // The watch's shell reads a number.
    'src/cli/commands/watch.ts',
    'src/cli/course.ts',
    'src/cli/output.ts',
    'src/cli/prompt.ts',
    'src/cli/screen.ts',
    // What all of these call.
    'src/cli/streams.ts',
    'src/entries/vendored.ts',
    'src/observe/ask-disk.ts',
    'src/session/notice.ts',
  ];
  const WRITES =
    /\b(stdout|stderr)\s*(\.|\[['"])\s*write\b|\bconsole\s*\.|\bwriteSync\((1|2|descriptor|DESCRIPTORS)\b|\b(put|write)\('std(out|err)',/;
  const writers = sources.filter((source) => WRITES.test(codeOf(source))).map((source) => `src/${source}`);
  expect(writers.sort()).toEqual([...WRITERS].sort());
});

describe('a platform', () => {
  const NAMES = /\bprocess\s*(\.|\[['"])\s*platform\b|\bplatform\(\)|\bos\s*\.\s*type\(\)/;
  const NAMED_IN = [
    // Whether there is a POSIX shell, for what is given away and for the line that Claude Code calls.
    'src/act/start-background.ts',
    // The hook has no time to load an adapter that it does not need.
    'src/observe/glance.ts',
    // Picks the adapter.
    'src/observe/this-platform.ts',
    // Where a user's own files belong.
    'src/state/folders.ts',
  ];
  /** Linux, without being named. */
  const READS_PROC = ['src/observe/linux/', 'src/act/start-watch.ts', 'src/act/stdio.ts'];

  test('is named in these places alone', () => {
    const places = sources.filter((source) => NAMES.test(codeOf(source))).map((source) => `src/${source}`);
    expect(places.sort()).toEqual([...NAMED_IN].sort());
  });

  test('has adapters that only observe/ knows', () => {
    const adapters = own.filter(({ to }) => /^observe\/(linux|macos|windows)\//.test(to));
    expect(adapters.length).toBeGreaterThan(0);
    expect(shown(adapters.filter(({ from }) => !from.startsWith('observe/')))).toEqual([]);
  });

  test('is looked into, by /proc, in these places alone', () => {
    const readers = sources.filter((source) => /[`'"<]\/proc\//.test(codeOf(source)));
    expect(readers.filter((source) => !covers(READS_PROC, source))).toEqual([]);
    expect(READS_PROC.filter((place) => !readers.some((source) => covers([place], source)))).toEqual([]);
  });
});

test('what is said is written by src/cli/streams.ts alone, which knows what to do where it cannot be', () => {
  const commands = sources.filter((source) => source.startsWith('cli/'));
  const elsewhere = commands.filter((source) => /\bprocess\.std(out|err)\b|\bconsole\b/.test(codeOf(source)));
  expect(elsewhere).toEqual([]);
  expect(codeOf('cli/streams.ts')).toContain('process[name]');
});

test('what decides has no clock, no chance, no process and no output', () => {
  const IMPURE =
    /\b(Date\.now|new Date|performance|Math\.random|console|globalThis|setTimeout|setInterval|fetch|require)\b|\bprocess\.(arch|argv|cwd|emit|env|exit|getuid|hrtime|kill|memoryUsage|nextTick|on|platform|ppid|stderr|stdin|stdout|uptime|version)\b/;
  const pure = sources.filter(isPure);
  expect(pure.length).toBeGreaterThan(10);
  expect(pure.flatMap((source) => IMPURE.exec(codeOf(source))?.[0] ?? [])).toEqual([]);
});
