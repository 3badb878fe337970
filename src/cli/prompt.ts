import { Writable } from 'node:stream';
import { Prompt, settings } from '@clack/core';
import { onSignals, SIGNALS, takeScreen } from './screen.js';
import { streamOf } from './streams.js';

/** A key as it was pressed: the text that it types, if it types any, and its name, such as `up` or `escape`. */
export interface Key {
  readonly text: string | undefined;
  readonly name: string | undefined;
}

export interface View<Answer> {
  /** What to show now, in so many rows. */
  readonly lines: (rows: number) => readonly string[];
  /** Takes a key; returns the answer once there is one. */
  readonly press: (key: Key) => Answer | undefined;
}

export interface Asked<Answer> {
  /** Shows what there is to see now. */
  readonly draw: () => void;
  /** Ends it without an answer, as an interruption does. */
  readonly close: () => void;
  /** The answer, or the exit code of who was interrupted; the terminal is then as it was before. */
  readonly answer: Promise<Answer | { readonly code: number }>;
}

/** Asks on the other screen of a terminal, which takes each line as it is: what is too long is cut, not wrapped. */
export function ask<Answer>(view: View<Answer>): Asked<Answer> {
  // Escape is a key like any other: what it leaves is for the view to say.
  settings.aliases.delete('escape');
  const leave = takeScreen();
  const stdout = streamOf('stdout');
  const ending = new AbortController();
  let answer: Answer | undefined;
  let code: number = SIGNALS.SIGINT;
  const forget = onSignals((signal) => {
    code = signal;
    ending.abort();
  });
  const output = onePiece();
  const prompt = new Prompt<Answer>(
    {
      output,
      signal: ending.signal,
      render: () => {
        const rows = stdout.rows || 24;
        return view.lines(rows).slice(0, rows).join('\n');
      },
      // Enter would answer whatever it means.
      validate: () => (answer === undefined ? 'no answer yet' : undefined),
    },
    false,
  );
  prompt.on('key', (text, { name, ctrl, meta }) => {
    answer ??= view.press({ text: ctrl || meta ? undefined : text, name: ctrl ? undefined : name });
    if (answer !== undefined && name !== 'return') ending.abort();
  });
  const draw = (): void => void output.emit('resize');
  stdout.on('resize', draw);
  const over = prompt.prompt().finally(() => {
    stdout.off('resize', draw);
    forget();
    leave();
  });
  return { draw, close: () => ending.abort(), answer: over.then(() => answer ?? { code }) };
}

/** No line is too wide for it to be drawn as one, and what is drawn in steps reaches the terminal at once. */
function onePiece(): Writable {
  const stdout = streamOf('stdout');
  let pending = '';
  const flush = (): void => {
    stdout.write(pending);
    pending = '';
  };
  const output = new Writable({
    decodeStrings: false,
    write: (text: string, _, done) => {
      if (pending === '') queueMicrotask(flush);
      pending += text;
      done();
    },
  });
  return Object.defineProperties(output, {
    columns: { value: Number.MAX_SAFE_INTEGER },
    rows: { get: () => stdout.rows || 24 },
  });
}
