import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

// Nothing here parses YAML, so this reads the lines that matter.

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const FOLDER = join(ROOT, '.github/workflows');
const workflows = readdirSync(FOLDER).map((name) => [name, readFileSync(join(FOLDER, name), 'utf8')] as const);

/** The values of one key, wherever it is. */
const valuesOf = (key: string, text: string): string[] =>
  [...text.matchAll(new RegExp(`^ *(?:- )?${key}: *(.+)$`, 'gm'))].map(([, value = '']) => value.trim());

test('one workflow runs on all three platforms with the oldest and the newest Node, and another one publishes', () => {
  expect(workflows.map(([name]) => name).sort()).toEqual(['ci.yml', 'release.yml']);
  const [, text = ''] = workflows.find(([name]) => name === 'ci.yml') ?? [];
  expect(valuesOf('os', text)).toEqual(['[ubuntu-latest, macos-latest, windows-latest]']);
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(valuesOf('node', text)).toEqual([`[${engines.node.replace('>=', '')}, 26]`]);
});

test.each(workflows)('%s pins each action by its commit, and says of which version that is', (_name, text) => {
  const used = valuesOf('uses', text);
  expect(used.length).toBeGreaterThan(0);
  expect(used.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action))).toEqual([]);
});

/** All that a workflow may do: at the top for every job, below for one. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  'ci.yml': ['permissions:\n  contents: read\n'],
  'release.yml': [
    'permissions:\n  contents: read\n',
    '    permissions:\n      contents: read\n      id-token: write\n',
  ],
};

test.each(workflows)('%s may read the repository and nothing else, and leaves no credentials behind', (name, text) => {
  expect(text.match(/^( *)permissions:.*\n(\1 {2}.*\n)*/gm)).toEqual(MAY[name]);
  expect(text).not.toMatch(/secrets\.|pull_request_target|write-all/);
  expect(valuesOf('persist-credentials', text)).toEqual(
    valuesOf('uses', text).flatMap((action) => (action.startsWith('actions/checkout@') ? ['false'] : [])),
  );
});

test.each(workflows)('%s runs what there is', (_name, text) => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const called = valuesOf('run', text).flatMap((line) => /^npm run (\S+)$/.exec(line)?.[1] ?? []);
  expect(called.length).toBeGreaterThan(2);
  expect(called.filter((name) => scripts[name] === undefined)).toEqual([]);
  const files = valuesOf('run', text).flatMap((line) => line.match(/\b[\w./-]+\.(ts|js|mjs)\b/g) ?? []);
  expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
});

test('what is published has been tested, says what it was built from, and was built by nobody’s scripts', () => {
  const [, text = ''] = workflows.find(([name]) => name === 'release.yml') ?? [];
  const [, tests = '', publishes = ''] = text.split(/^ {2}(?:test|publish):$/m);
  expect(valuesOf('needs', publishes)).toEqual(['test']);
  expect([tests, publishes].map((job) => job.includes('id-token'))).toEqual([false, true]);
  expect(valuesOf('run', publishes)).toEqual([
    'node build/release.mjs',
    'npm ci --ignore-scripts',
    'npm run build',
    'npm publish --ignore-scripts --provenance --access public',
  ]);
});

describe('before a release', () => {
  const { version, repository } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const [, name = ''] = /github\.com\/(.*)\.git$/.exec(repository.url) ?? [];
  const check = (env: Record<string, string>) => {
    const ran = spawnSync(process.execPath, ['build/release.mjs'], { cwd: ROOT, env, encoding: 'utf8' });
    return [ran.status, ran.stderr.split('\n').filter((line) => line.startsWith('error:'))];
  };

  test('the tag, the version, the changelog and the repository are compared', () => {
    expect(check({ GITHUB_REF_NAME: `v${version}`, GITHUB_REPOSITORY: name })).toEqual([0, []]);
  });

  test.each([
    ['another tag', 'v99.0.0', name, `error: the tag is v99.0.0, and package.json has the version ${version}`],
    ['another repository', `v${version}`, 'a/fork', 'error: package.json does not say that its repository is a/fork'],
  ])('%s is refused', (_what, tag, repository, error) => {
    expect(check({ GITHUB_REF_NAME: tag, GITHUB_REPOSITORY: repository })).toEqual([1, [error]]);
  });
});

const FORMS = join(ROOT, '.github/ISSUE_TEMPLATE');

test.each(readdirSync(FORMS))(
  'the form %s asks for what can be answered, each thing under a name of its own',
  (file) => {
    const text = readFileSync(join(FORMS, file), 'utf8');
    for (const key of ['name', 'description', 'body']) expect(text).toMatch(new RegExp(`^${key}:`, 'm'));
    const fields = text.split(/^ {2}- type: /m).slice(1);
    const asked = fields.filter((field) => !field.startsWith('markdown'));
    expect(
      asked.filter((field) => !/^(input|textarea)\n {4}id: [a-z]+\n {4}attributes:\n {6}label: /.test(field)),
    ).toEqual([]);
    const ids = valuesOf('id', text);
    expect([ids.length, new Set(ids).size]).toEqual([asked.length, asked.length]);
    // What it tells people to run is there.
    const words = new Set([...text.matchAll(/`opencode-reap (?:--)?([a-z]+)/g)].map(([, word = '']) => word));
    const help = readFileSync(join(ROOT, 'README.md'), 'utf8');
    expect([...words].filter((word) => word !== 'version' && !help.includes(`opencode-reap ${word}`))).toEqual([]);
  },
);

test.each(workflows)('%s says that it has not run yet, as the pages do', (_name, text) => {
  const pages = ['docs/platforms.md', 'CONTRIBUTING.md'].map((page) => readFileSync(join(ROOT, page), 'utf8'));
  for (const said of [text, ...pages]) expect(said).toContain('has not run yet');
});

test('the folders and files that run on any platform are there', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const [, , , , ...named] = scripts['test:anywhere'].split(' ');
  const listed = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' });
  const tests = listed.map((file) => file.replaceAll('\\', '/'));
  expect(named.length).toBeGreaterThan(5);
  const isThere = (part: string): boolean => tests.some((file) => file.endsWith('.test.ts') && file.includes(part));
  expect(named.filter((part: string) => !isThere(part))).toEqual([]);
});
