import { type ClaudeRole, claudeRole } from '../../model/claude-process.js';
import { type CommandLine, classify, isOpencode, isRunner, isShell } from '../../model/command-line.js';
import type { Row } from './ps-rows.js';
import { decoded } from './tools.js';

/*
 * `ps` joins arguments by blanks, and a path may have blanks of its own, so a line stands for several lists of arguments.
 * What all of them agree on is known. Where they do not, the command is undefined, never `other`: a process that is
 * certainly something else makes the record of a live server `gone`.
 */

/** What a row shows of what runs; undefined where that is not certain. */
export function commandOf({ ucomm, args, isExiting }: Row): CommandLine | undefined {
  const line = lineOf(args);
  // A process that is exiting has no arguments any more; then `ps` shows its name in parentheses.
  if (isExiting || line === '' || line === '<defunct>' || /^\(.*\)$/.test(line)) return undefined;
  if (!isOpencode(ucomm) && !/opencode/i.test(line)) return { kind: 'other' };
  const executable = isItself(ucomm, line) ? ucomm : undefined;
  const [first, ...others] = readings(ucomm, line).map((argv) => classify(argv, executable));
  // A longer path counts only where it makes sense.
  return others.every(({ kind }) => kind === 'other' || kind === first?.kind) ? first : undefined;
}

/** In doubt it is one: that can only spare. */
export function claudeOf({ ucomm, args }: Row): ClaudeRole | undefined {
  const line = lineOf(args);
  const name = nameOf({ ucomm, args });
  // Most processes are not it by any reading.
  if (!line.includes('claude') && claudeRole(name, line.split(' '), undefined) === undefined) return undefined;
  const roles = readings(ucomm, line).map((argv) => claudeRole(name, argv, undefined));
  return roles.find((role) => role === 'session') ?? roles.find((role) => role !== undefined);
}

/** A native install is called by its version alone; then its own word for itself says more. */
export function nameOf({ ucomm, args }: Pick<Row, 'ucomm' | 'args'>): string {
  const program = programOf(lineOf(args));
  const isClaude = /^claude(\.exe)?$/.test(baseName(program)) || /\/claude\/versions\/\d+\.\d+\.\d+$/.test(program);
  return isClaude ? 'claude' : ucomm;
}

/** As much as the other platforms read of it. */
const MAX_CHARACTERS = 65_536;
const lineOf = (args: string): string => decoded(args.slice(0, MAX_CHARACTERS));
const programOf = (line: string): string => /^[^ ]*/.exec(line)?.[0] ?? '';

/**
 * The lists of arguments that a line may stand for, the likeliest first; none where the program that was executed is in
 * none of them.
 */
function readings(ucomm: string, line: string): string[][] {
  const words = line.split(' ');
  // Only a path has blanks in it.
  const heads = words[0]?.startsWith('/') ? grown(words, 0) : [words];
  const isOpencodes = isItself(ucomm, line);
  const isIt = isOpencodes ? isOpencode : (name: string) => name.startsWith(ucomm);
  const named = heads.filter(([head = '']) => isIt(baseName(head)));
  if (!isOpencodes) return (named.length > 0 ? named : heads).flatMap((argv) => afterHead(argv, ucomm));
  // It may have been started by another name, which may have blanks in it, too.
  return named.length > 0 ? named : words[1] === 'serve' ? [words] : [];
}

/** Whether OpenCode's own file is executed. On Linux a script is called by its own name, even in the list of processes. */
const isItself = (ucomm: string, line: string): boolean => isOpencode(ucomm) && !isRunner(baseName(programOf(line)));

/** The same where something runs a script: a shell's line is one argument, and a script's path may have blanks. */
function afterHead([head = '', ...rest]: readonly string[], ucomm: string): string[][] {
  const line = [baseName(head), ucomm].some(isShell) ? lineAt(rest) : undefined;
  if (line !== undefined) return [[head, ...rest.slice(0, line), spelled(rest.slice(line))]];
  const script = rest.findIndex((word) => word.startsWith('/'));
  return (script < 0 ? [rest] : grown(rest, script)).map((words) => [head, ...words]);
}

const WITH_VALUE = /^([-+][oO]|--(rc|init-)file)$/;
const BEFORE_LINE = /^-[a-z]*c$/i;

/** Where a shell's line begins: after `-c`, which may stand among its other options. */
function lineAt(rest: readonly string[]): number | undefined {
  const isOption = (word: string, at: number): boolean => /^[-+]/.test(word) || WITH_VALUE.test(rest[at - 1] ?? '');
  const at = rest.findIndex((word, i) => BEFORE_LINE.test(word) || !isOption(word, i));
  return BEFORE_LINE.test(rest[at] ?? '') ? at + 1 : undefined;
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** In a line for a shell, a line feed separates two commands. */
const spelled = (words: readonly string[]): string => words.join(' ').replaceAll('\\012', '\n');

/** More blanks than any path has. */
const MOST_BLANKS = 16;

/** With the path at `from` as it is, and with as many of the following words as may belong to it. */
function grown(words: readonly string[], from: number): string[][] {
  const found = [[...words]];
  const end = Math.min(words.length, from + MOST_BLANKS + 1);
  for (let to = from + 1; to < end; to += 1) {
    const isOver = /^[-/]/.test(words[to] ?? '') || /\.[cm]?[jt]sx?$/i.test(words[to - 1] ?? '');
    if (isOver) break;
    found.push([...words.slice(0, from), words.slice(from, to + 1).join(' '), ...words.slice(to + 1)]);
  }
  return found;
}
