import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { GUARD_NAMES } from '../src/decide/guards.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

const pages = ['.', 'docs'].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

/** Without what is shown as code, where a bracket is no link. */
const textOf = (page: string): string => readFileSync(join(ROOT, page), 'utf8').replace(/^```[\s\S]*?^```$/gm, '');

/** As GitHub makes them: lower case, blanks to hyphens, without punctuation. */
const anchorsIn = (page: string): string[] =>
  [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

const linksIn = (page: string): string[] =>
  [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, to = '']) => (/^[a-z]+:/.test(to) ? [] : [to]));

test.each(pages)('links of %s lead to files and headings that are there', (page) => {
  const dead = linksIn(page).filter((link) => {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : join(dirname(page), path);
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && !anchorsIn(target).includes(anchor);
  });
  expect(dead).toEqual([]);
});

test('the page of promises links to the code and the tests of each', () => {
  const rows = textOf('docs/SAFETY.md').match(/^\| [^-].*$/gm) ?? [];
  const promises = rows.filter((row) => !/\| (decided|kept) in \|/.test(row));
  expect(promises.length).toBeGreaterThan(15);
  expect(promises.filter((row) => !row.includes('(../src/') || !row.includes('(../test/'))).toEqual([]);
});

/** What the page says of a test: its file, and words of its title. */
const namedIn = (text: string): [file: string, words: string][] =>
  [...text.matchAll(/\]\(\.\.\/(test\/[^)]+)\): ((?:“[^”]+”(?:, )?)+)/g)].flatMap(([, file = '', all = '']) =>
    [...all.matchAll(/“([^”]+)”/g)].map(([, words = '']): [string, string] => [file, words]),
  );

test('the tests that the page of promises names by their words are there', () => {
  const named = namedIn(textOf('docs/SAFETY.md'));
  expect(named.length).toBeGreaterThan(25);
  const missing = named.filter(([file, words]) => !readFileSync(join(ROOT, file), 'utf8').includes(words));
  expect(missing).toEqual([]);
});

test('each border that the page of promises lists names tests by their words, in files that are code', () => {
  const [, borders = ''] = textOf('docs/SAFETY.md').split('## What comes from outside');
  const rows = borders.split('\n## ')[0]?.match(/^\| (?!what comes in)[^-].*$/gm) ?? [];
  expect(rows.length).toBeGreaterThan(15);
  expect(rows.filter((row) => namedIn(row).length === 0)).toEqual([]);
});

test('files and folders that the page of the design names are there', () => {
  const named = [...textOf('docs/design.md').matchAll(/`((?:[a-z-]+\/)+(?:[a-z-]+(?:\.[a-z]+)+)?)`/g)];
  const paths = [...new Set(named.map(([, path = '']) => path))];
  const isThere = (path: string): boolean => ['', 'src', 'test'].some((root) => existsSync(join(ROOT, root, path)));
  expect(paths.length).toBeGreaterThan(60);
  expect(paths.filter((path) => !isThere(path))).toEqual([]);
});

test('the page of platforms says of each guard what is known of it, on those that reap', () => {
  const tables = textOf('docs/platforms.md')
    .split(/^\| guard \|/m)
    .slice(1);
  expect(tables).toHaveLength(2);
  for (const table of tables)
    expect(GUARD_NAMES.filter((name) => !table.split('\n\n')[0]?.includes(`\n| \`${name}\` |`))).toEqual([]);
});

test('the flow in the README is a flowchart that GitHub can draw, and has the verdicts and the number of guards', () => {
  const [, head, flow = ''] =
    /```mermaid\n(.*)\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? [];
  expect(head).toBe('flowchart LR');
  // Words that are bare, in a box or in a rhombus, and arrows with or without words: the part of the language that it uses.
  const node = String.raw`\w+(\["[^"]+"\]|\{"[^"]+"\})?`;
  const arrow = '(-->|-- "[^"]+" -->|&)';
  const line = new RegExp(`^  ${node}( ${arrow} ${node})*$`);
  expect(
    flow
      .trimEnd()
      .split('\n')
      .filter((one) => !line.test(one)),
  ).toEqual([]);
  const [, number] = /guards\{"(\w+) guards"\}/.exec(flow) ?? [];
  expect([number, GUARD_NAMES.length]).toEqual(['seven', 7]);
  for (const verdict of ['stale', 'spared', 'unsure']) expect(flow).toMatch(new RegExp(`--> ${verdict}$`, 'm'));
});

test('each change that npm run mutate lets survive is in a line that is there, and has a reason', () => {
  const survivors: readonly Record<'file' | 'code' | 'from' | 'to' | 'why', string>[] = JSON.parse(
    readFileSync(join(ROOT, 'test/mutate/survivors.json'), 'utf8'),
  );
  const isThere = ({ file, code, from }: (typeof survivors)[number]): boolean =>
    code.includes(from) &&
    readFileSync(join(ROOT, file), 'utf8')
      .split('\n')
      .some((line) => line.trim() === code);
  expect(survivors.filter((one) => !isThere(one) || one.why.length < 20)).toEqual([]);
});
