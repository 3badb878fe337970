import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { argvOf } from '../../src/observe/windows/argv.js';
import { dice } from '../support/mutated.js';
import { onHost, run } from './machine.js';

/* What OpenCode takes a command line for, by the function of Windows that it asks, as Wine has it. */

test('a command line has the words that CommandLineToArgvW gives', async () => {
  const source = fileURLToPath(new URL('words.c', import.meta.url));
  execFileSync('x86_64-w64-mingw32-gcc', ['-s', '-w', '-o', onHost('C:\\words.exe'), source, '-lshell32']);
  const roll = dice(1);
  const one = (parts: readonly string[]): string => parts[roll(parts.length)] ?? '';
  const lines = Array.from({ length: 20_000 }, () => {
    const more = Array.from({ length: 1 + roll(14) }, () => one(['a', '\\', '\\', '"', '"', ' ', '\t']));
    return `${one(['p', '"p q"', ''])}${more.join('')}`;
  });
  writeFileSync(onHost('C:\\lines.txt'), `${lines.join('\n')}\n`);
  const { code, stdout } = await run(['C:\\words.exe', 'C:\\lines.txt']);
  const theirs = stdout.replaceAll('\r', '').split('\n').slice(0, -1);
  expect([code, theirs.length]).toEqual([0, lines.length]);
  const ours = lines.map((line) =>
    argvOf(line)
      .map((word) => `[${word}]`)
      .join(''),
  );
  const differing = lines.flatMap((line, at) => (ours[at] === theirs[at] ? [] : [[line, ours[at], theirs[at]]]));
  expect(differing.slice(0, 5)).toEqual([]);
});
