import { isTerminal, streamOf, write } from './streams.js';

/** A terminal that shows one page after another, until its user or a signal ends that. */
export interface Screen {
  /** Shows these lines, from the top; what does not fit is counted. */
  readonly draw: (lines: readonly string[]) => void;
  readonly close: () => void;
}

interface Watcher {
  readonly resized: () => void;
  /** The exit code: 0 for `q`, else as for any program that a signal ends. */
  readonly ended: (code: number) => void;
}

/** The other screen, so that what was there before is there after; no cursor, and long lines are cut, not wrapped. */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

export const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const CTRL_C = '\u0003';

/** Why this terminal cannot show pages; undefined when it can. */
export const whyNoScreen = (): string | undefined =>
  isTerminal('stdout') && process.stdin.isTTY && process.env.TERM !== 'dumb' ? undefined : 'it needs a terminal';

/** Goes to the other screen, until what is returned is called or the program ends, however that comes about. */
export function takeScreen(): () => void {
  let isTaken = true;
  const leave = (): void => {
    if (isTaken) write('stdout', LEAVE);
    isTaken = false;
    process.off('exit', leave);
  };
  // Also when the program fails: a terminal without a cursor would be left otherwise.
  process.once('exit', leave);
  write('stdout', ENTER);
  return leave;
}

/** Calls that with the exit code when a signal ends the program, until what is returned is called. */
export function onSignals(ended: (code: number) => void): () => void {
  const handlers = Object.entries(SIGNALS).map(([name, code]) => [name, () => ended(code)] as const);
  for (const [name, handler] of handlers) process.once(name, handler);
  return () => {
    for (const [name, handler] of handlers) process.off(name, handler);
  };
}

export function openScreen({ resized, ended }: Watcher): Screen {
  const { stdin } = process;
  const stdout = streamOf('stdout');
  let isOpen = true;
  const leave = takeScreen();
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    stdin.setRawMode(false);
    stdin.pause();
    stdout.off('resize', resized);
    leave();
  };
  onSignals(ended);
  stdin.setRawMode(true);
  stdin.on('data', (keys) => {
    if (keys.includes(CTRL_C)) ended(SIGNALS.SIGINT);
    else if (/^q/i.test(keys.toString())) ended(0);
  });
  stdout.on('resize', resized);
  return { draw: (lines) => void (isOpen && stdout.write(frame(lines, stdout.rows || 24))), close };
}

/** One write for each page, over the one before, so that nothing flickers. */
export function frame(lines: readonly string[], rows: number): string {
  const cut = lines.length - rows;
  const shown = cut > 0 ? [...lines.slice(0, rows - 1), `and ${cut + 1} more lines`] : lines;
  return `${HOME}${shown.map((line) => `${line}${CLEAR_LINE}`).join('\r\n')}${CLEAR_BELOW}`;
}
