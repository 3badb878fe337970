import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

// Nothing here parses YAML, so this reads the lines that matter.

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const FOLDER = join(ROOT, '.github/workflows');
const workflows = readdirSync(FOLDER).map((name) => [name, readFileSync(join(FOLDER, name), 'utf8')] as const);

/** The values of one key, wherever it is. */
const valuesOf = (key: string, text: string): string[] =>
  [...text.matchAll(new RegExp(`^ *(?:- )?${key}: *(.+)$`, 'gm'))].map(([, value = '']) => value.trim());

test('there is one workflow, and it runs on all three platforms with the oldest and the newest Node', () => {
  expect(workflows.map(([name]) => name)).toEqual(['ci.yml']);
  const [, text = ''] = workflows[0] ?? [];
  expect(valuesOf('os', text)).toEqual(['[ubuntu-latest, macos-latest, windows-latest]']);
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(valuesOf('node', text)).toEqual([`[${engines.node.replace('>=', '')}, 26]`]);
});

test.each(workflows)('%s pins each action by its commit, and says of which version that is', (_name, text) => {
  const used = valuesOf('uses', text);
  expect(used.length).toBeGreaterThan(0);
  expect(used.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action))).toEqual([]);
});

test.each(workflows)('%s may read the repository and nothing else, and leaves no credentials behind', (_name, text) => {
  expect(text.match(/^ *permissions:[\s\S]*?(?=^\S)/gm)).toEqual(['permissions:\n  contents: read\n']);
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
