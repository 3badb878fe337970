import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/* What the pages show as code, and what of it differs from one run to the next. */

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export const PAGES: readonly string[] = ['.', 'docs'].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

export interface Block {
  readonly page: string;
  /** `console`, `sh`, `js`, …; empty if the page does not say. */
  readonly language: string;
  readonly text: string;
}

/** Also those that are part of a list. */
export const blocksOf = (page: string): Block[] =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^( *)```(\w*)\n([\s\S]*?)^\1```$/gm)].map(
    ([, indent = '', language = '', text = '']) => ({
      page,
      language,
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  );

/** A command line, and the lines that follow it. */
export interface Shown {
  readonly command: string;
  readonly lines: readonly string[];
}

export const commandsIn = (text: string): Shown[] =>
  text.split(/^\$ /m).flatMap((part, at) => {
    const [command = '', ...lines] = part.trimEnd().split('\n');
    return at === 0 ? [] : { command: command.replace(/ +# .*$/, ''), lines };
  });

/**
 * Without numbers and their units, names of backups, blanks that align columns, and what other tests have running; a busy
 * machine may also be told that its hooks are slow.
 */
export const plain = (lines: readonly string[]): string[] =>
  lines
    .map((line) =>
      line
        .replace(/\b[0-9a-f]{8}-\d{4}-\d\d-\d\dT[\d-]+Z/g, 'STAMP')
        .replace(/\d+(\.\d+)*( ?(ms|s|min|MB|GB)\b|%)?/g, 'N')
        .replace(/^warn +(?=hook time)/, 'ok ')
        .replace(/ +/g, ' ')
        .trim(),
    )
    .filter(
      (line) =>
        line !== '' && !/^N (more|servers?) that (is|are) not recorded|^hint: Claude Code would cancel it/.test(line),
    );

/** The page's lines with those that a line of `…` stands for, which may be none. */
export function fits(page: readonly string[], printed: readonly string[]): boolean {
  const [first, ...rest] = page;
  if (first === undefined) return printed.length === 0;
  if (first === '…') return printed.some((_, at) => fits(rest, printed.slice(at))) || fits(rest, []);
  return printed[0] === first && fits(rest, printed.slice(1));
}

export interface Ran {
  readonly code: number | null;
  /** Both outputs, in the order in which they came. */
  readonly lines: readonly string[];
}

/** Runs a line in bash. */
export const runLine = (line: string, cwd: string, env: Record<string, string>): Promise<Ran> => {
  const child = spawn('bash', ['-c', `exec 2>&1; ${line}`], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, lines: said.split('\n') }));
  });
};
