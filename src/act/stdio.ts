import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import { isSystemError } from '../common/errors.js';

type Stdio = ('ignore' | 'pipe' | number)[];

/** The flag in a descriptor's `fdinfo` that says that it is closed when a program is started. */
const CLOSES = 0o2000000;
/** Far above the numbers that shell scripts use for locks; each one below the highest costs a few bytes. */
const HIGHEST = 4096;

/**
 * The standard streams of a program that outlives us, with everything that we inherited ourselves closed: node closes
 * inherited descriptors only up to the first gap above 15, and scripts lock with `flock 200`. The placeholders hold
 * nothing open. Call `done` once the program is started.
 */
export function ownStdio(stdout: 'ignore' | 'pipe'): { readonly stdio: Stdio; readonly done: () => void } {
  const stdio: Stdio = ['ignore', stdout, 'ignore'];
  const inherited = inheritedDescriptors();
  if (inherited.length === 0) return { stdio, done: () => undefined };
  const nothing = openSync(devNull, 'r');
  for (let fd = 3; fd <= Math.max(...inherited); fd += 1) stdio.push(inherited.includes(fd) ? nothing : 'ignore');
  return { stdio, done: () => closeSync(nothing) };
}

/** Empty where they cannot be listed: on macOS node itself lets no program have any but those that it is given. */
function inheritedDescriptors(): number[] {
  try {
    const open = readdirSync('/proc/self/fd').map(Number);
    return open.filter((fd) => fd > 2 && fd < HIGHEST && !closes(fd));
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
}

/** A descriptor that is gone by now, such as the one of the folder just listed, counts as closed. */
function closes(fd: number): boolean {
  try {
    const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    return flags === undefined || (Number.parseInt(flags, 8) & CLOSES) !== 0;
  } catch (error) {
    if (isSystemError(error)) return true;
    throw error;
  }
}
