import { Chalk, type ChalkInstance } from 'chalk';
import { memory as size } from '../common/text.js';

export type Paint = ChalkInstance;

/** Colors only for a person at a terminal, unless asked for (`--color`, `--no-color`, NO_COLOR). */
export function paintFor(
  wanted: boolean | undefined,
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
): Paint {
  const byDefault = isTerminal && !env.NO_COLOR && env.TERM !== 'dumb';
  return new Chalk({ level: (wanted ?? byDefault) ? 1 : 0 });
}

// Control characters could rewrite the line or the terminal; directional marks could make one path look like another.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Text from a process, a file or a server, on one line and unable to control the terminal. */
export const clean = (text: string): string =>
  text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Cuts out the middle, since the end of a path says most. */
export function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  const end = Math.ceil(((width - 1) * 2) / 3);
  return `${text.slice(0, width - 1 - end)}…${text.slice(-end)}`;
}

/** A person reads `~/code/shop` faster than the whole path. */
export const tilde = (path: string, home: string | undefined): string =>
  home && (path === home || /^[\\/]$/.test(path[home.length] ?? '')) && path.startsWith(home)
    ? `~${path.slice(home.length)}`
    : path;

export const memory = (bytes: number | undefined): string => (bytes === undefined ? '–' : size(bytes));

/** A share of one core; several cores are more than 100%. */
export const percent = (share: number | undefined): string =>
  share === undefined ? '–' : `${Math.round(share * 100)}%`;
