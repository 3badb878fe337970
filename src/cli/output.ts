import type { Unread } from '../model/written.js';
import type { Page } from '../report/table.js';
import { clean, paintFor, shorten } from '../report/text.js';
import { homeOf } from '../state/folders.js';
import { isTerminal, type Standard, widthOf, write } from './streams.js';

/** Options that several commands take. */
export interface Common {
  readonly stateDir?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color?: boolean;
}

export const pageFor = ({ color, verbose }: Common): Page => ({
  paint: paintFor(color, isTerminal('stdout'), process.env),
  width: widthOf('stdout'),
  home: homeOf(process.env),
  verbose: verbose === true,
});

export const print = (lines: readonly string[]): void => {
  if (lines.length > 0) put('stdout', `${lines.join('\n')}\n`);
};

/** What a person reads, on either output. */
export const put = (output: Standard, text: string): void =>
  write(output, forTerminal(text, process.env, isTerminal(output)));

/** A terminal whose locale says that it knows ASCII only gets no other sign from us. What is in a path stays. */
export function forTerminal(text: string, { LC_ALL, LC_CTYPE, LANG }: NodeJS.ProcessEnv, isShown: boolean): string {
  const locale = LC_ALL || LC_CTYPE || LANG;
  if (!isShown || !locale || !/^(C|POSIX)$/.test(locale)) return text;
  return text.replace(/[–…’✓✗]/g, (sign) => IN_ASCII[sign] ?? sign);
}

const IN_ASCII: Readonly<Record<string, string>> = { '–': '-', '…': '*', '’': "'", '✓': '+', '✗': 'x' };

/**
 * Some characters that JSON allows unescaped can control a terminal (C1, bidi); escaped as `\u…` they mean the same.
 */
export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2).split('\n').map(clean));

/** What was answered about each server: by itself if only one was named. */
export function printAnswers(answers: readonly object[], names: readonly string[]): void {
  if (names.length > 1) printJson(answers);
  else for (const answer of answers) printJson(answer);
}

/** What it begins with may name a path. */
export function printStack({ stack = '' }: Error): void {
  write('stderr', `${stack.split('\n').map(clean).join('\n')}\n`);
}

/**
 * One sentence that names the thing, then the next step. With `--json`, one line of JSON, on standard error as well:
 * standard output then has exactly one answer or nothing, as with `gh`, `kubectl` and `aws`, and what could not be read
 * can be said beside an answer. (npm prints its errors in place of the answer: a script has to look at each.)
 */
export function complain(error: string, hint: string): void {
  const said = { error: clean(error), hint: clean(hint) };
  const text = wantsJson() ? JSON.stringify(said) : `error: ${said.error}\nhint: ${said.hint}`;
  put('stderr', `${text}\n`);
}

/** By the words themselves: what is wrong may be that they cannot be parsed. What follows `--` is not ours. */
function wantsJson(): boolean {
  const words = process.argv.slice(2);
  const end = words.indexOf('--');
  return (end < 0 ? words : words.slice(0, end)).includes('--json');
}

export function complainAboutUnread(unread: readonly Unread[]): void {
  for (const { file, error } of unread) {
    complain(
      `could not read ${file}: ${error}`,
      'servers that it may be about are left alone; fix it, or remove it if nothing uses it',
    );
  }
}

/** Shows on a terminal what the program is waiting for. */
export interface Progress {
  /** From now on something else is waited for: it is asked what to show each second, since that may count them. */
  readonly change: (text: () => string) => void;
  /** A line that stays, above the progress line. */
  readonly say: (line: string) => void;
  readonly end: () => void;
}

/** Shows on a terminal what is waited for, once the wait is long enough to be noticed. */
export function progress(first: string, { quiet }: Common): Progress {
  const isSeen = !quiet && isTerminal('stderr') && process.env.TERM !== 'dumb';
  let text = (): string => first;
  let isShown = false;
  const show = (): void => {
    isShown = true;
    // A line that wraps could not be erased.
    const line = `${shorten(text(), (widthOf('stderr') ?? 80) - 3)} …`;
    put('stderr', `${WIPE}${line}`);
  };
  const timer = isSeen ? setTimeout(show, NOTICEABLE_MS) : undefined;
  const ticking = isSeen ? setInterval(() => isShown && show(), 1_000).unref() : undefined;
  return {
    change: (next) => {
      text = next;
      if (isShown) show();
    },
    say: (line) => {
      put('stderr', `${isShown ? WIPE : ''}${line}\n`);
      if (isShown) show();
    },
    end: () => {
      clearTimeout(timer);
      clearInterval(ticking);
      if (isShown) put('stderr', WIPE);
      isShown = false;
    },
  };
}

const WIPE = '\r\u001b[K';

/** A look takes a quarter of that. */
const NOTICEABLE_MS = 400;
