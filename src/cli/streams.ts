import { fstatSync, writeSync } from 'node:fs';
import type { WriteStream } from 'node:tty';
import { errorCode, tryRead } from '../common/errors.js';

/*
 * Standard output and standard error. Node makes a stream of each on first use, which takes 4 ms for a pipe or a file: as
 * long as a look at two hundred processes. So a stream is made for a terminal alone, or where a pipe is full and nobody may
 * wait in `write`.
 */

export type Standard = 'stdout' | 'stderr';

const DESCRIPTORS = { stdout: 1, stderr: 2 } as const;

let failed = (_code: string): void => undefined;

/**
 * What is done when something cannot be written, with the code of the error: once, since what is said about it may not be
 * writable either. A reader that has left is no error.
 */
export function whenUnwritable(then: (code: string) => void): void {
  failed = (code) => {
    failed = () => undefined;
    then(code);
  };
}

const streams = new Map<Standard, WriteStream>();

/** Node's own stream: for what is told to a terminal, and what only a terminal tells. */
export function streamOf(name: Standard): WriteStream {
  const known = streams.get(name);
  if (known) return known;
  const stream = process[name];
  stream.on('error', noteUnwritten);
  streams.set(name, stream);
  return stream;
}

/** What a pipe without a reader says, a terminal that was closed, and Windows of either. */
const LEFT: readonly string[] = ['EPIPE', 'EIO', 'EOF'];

/** `opencode-reap | head -1`, where the reader has seen enough, is not an error, and neither is a closed terminal. */
function noteUnwritten(error: unknown): void {
  const code = errorCode(error);
  if (!LEFT.includes(code)) failed(code);
}

const terminals = new Map<Standard, boolean>();

/** What is no character device is no terminal, and of that no stream need be made. */
export function isTerminal(name: Standard): boolean {
  const known = terminals.get(name);
  if (known !== undefined) return known;
  const mayBe = tryRead(() => fstatSync(DESCRIPTORS[name]).isCharacterDevice()) ?? true;
  const is = mayBe && streamOf(name).isTTY === true;
  terminals.set(name, is);
  return is;
}

/** The columns of a terminal; undefined where lines may have any length. */
export const widthOf = (name: Standard): number | undefined =>
  isTerminal(name) ? streamOf(name).columns || undefined : undefined;

/** Writes the whole text, in order, before it returns: except on a pipe that is full, which node empties in time. */
export function write(name: Standard, text: string): void {
  if (streams.has(name) || isTerminal(name)) {
    streamOf(name).write(text);
    return;
  }
  const bytes = Buffer.from(text);
  let done = 0;
  try {
    while (done < bytes.length) done += writeSync(DESCRIPTORS[name], bytes, done);
  } catch (error) {
    if (errorCode(error) === 'EAGAIN') streamOf(name).write(bytes.subarray(done));
    else noteUnwritten(error);
  }
}
