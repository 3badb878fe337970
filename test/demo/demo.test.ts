import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { onDemand } from '../support/patience.js';
import { environ, pids } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

/*
 * The demonstration is what the README shows: its first screen is text from it, its picture is drawn from it. So one run of
 * it shows that all three are what the program prints today.
 */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PICTURES = ['light', 'dark'].map((theme) => `docs/pictures/session-${theme}.svg`);

let sandbox: Sandbox;
/** The temporary folder that the demonstration gets. */
let temporary: string;

beforeEach(async () => {
  sandbox = await createSandbox('demo-test');
  temporary = join(sandbox.root, 'tmp');
});
afterEach(() => sandbox.dispose());

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it as `npm run demo` does; with `until`, interrupts it as Ctrl-C does once it has printed that. */
const demonstrate = (until?: string): Promise<Ended> => {
  const child = spawn(process.execPath, ['test/demo/run.mjs'], { cwd: ROOT, env: sandbox.env() });
  if (child.pid !== undefined) sandbox.track(child.pid);
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
      if (until !== undefined && said.stdout.includes(until)) child.kill('SIGINT');
    });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...said }));
  });
};

/** Everything that it has started has its HOME below that folder. */
const left = (): unknown[] => [
  ...readdirSync(temporary),
  ...pids().filter((pid) => environ(pid).some((one) => one.startsWith(`HOME=${temporary}/`))),
];

/** Without what differs from one run to the next: numbers with their units, and which of two servers is the larger one. */
const words = (text: string): string[] =>
  text
    .replace(/^\d+ more that (is|are) not recorded.*$/gm, '')
    .replace(/\d+(\.\d+)?( ?(ms|s|min|MB|GB)\b|%)?/g, 'N')
    .split(/\s+/)
    .filter(Boolean)
    .sort();

/** A command, with what follows it up to the next one or to an empty line. */
const answersIn = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split(/^(?=\$ )/m).flatMap((part) => {
      const [command = '', ...lines] = (part.split('\n\n')[0] ?? '').split('\n');
      return command.startsWith('$ ') ? [[command, lines.join('\n')] as const] : [];
    }),
  );

const firstScreen = (): string =>
  /```console\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))?.[1] ?? '';

const unescaped = (text: string): string =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');

const textIn = (svg: string): string =>
  [...svg.matchAll(/<text[^>]*>(.*?)<\/text>/g)]
    .map(([, line = '']) => unescaped(line.replace(/<\/?tspan[^>]*>/g, ' ')))
    .join('\n');

test('the demonstration leaves nothing behind, and the README and its pictures show what it prints', {
  ...onDemand,
}, async () => {
  const { code, stdout, stderr } = await demonstrate();
  expect([code, stderr]).toEqual([0, '']);
  expect(left()).toEqual([]);
  expect(stdout).toMatch(/^stale .* ~\/code\/shop /m);
  expect(stdout).toMatch(/^spared .* ~\/code\/blog .* unleased: 1 live session may use it/m);
  expect(stdout.match(/^stopped .*/gm)).toHaveLength(2);

  const answers = answersIn(stdout);
  const shown = answersIn(firstScreen());
  expect([...shown.keys()]).toEqual([...answers.keys()].slice(0, 2));
  for (const [command, answer] of shown) expect(words(answer)).toEqual(words(answers.get(command) ?? ''));

  const [drawn = ''] = stdout.split('$ npx opencode-reap log');
  for (const picture of PICTURES)
    expect(words(textIn(readFileSync(join(ROOT, picture), 'utf8')))).toEqual(words(drawn));
});

test.each(['A plugin has started', 'nothing was changed'])(
  'interrupted after “%s”, the demonstration leaves nothing behind',
  { ...onDemand },
  async (until) => {
    const { code } = await demonstrate(until);
    expect(code).toBe(130);
    expect(left()).toEqual([]);
  },
);

test.each(PICTURES)('%s is well-formed', (picture) => {
  const svg = readFileSync(join(ROOT, picture), 'utf8');
  const open: string[] = [];
  for (const [whole, close, name = '', own] of svg.matchAll(/<(\/?)([a-z]+)(?:\s+[\w:]+="[^"<]*")*\s*(\/?)>/gi)) {
    if (close) expect(open.pop(), whole).toBe(name);
    else if (!own) open.push(name);
  }
  expect(open).toEqual([]);
  // What is left must be text.
  expect(svg.replace(/<(\/?)([a-z]+)(?:\s+[\w:]+="[^"<]*")*\s*(\/?)>/gi, '')).not.toMatch(/[<>]|&(?!(amp|lt|gt);)/);
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 [\d.]+ \d+" role="img">/);
});
