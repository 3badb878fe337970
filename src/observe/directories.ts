import { askDisk } from './ask-disk.js';
import { type Found, findWithoutWaiting } from './find-directory.js';
import { crossingOf, unsureMounts } from './linux/mounts.js';

/** `performance` would have to be loaded first, which takes a look without any such file system 2 ms. */
const nowMs = (): number => process.uptime() * 1000;

/** A run looks several times within seconds, and the background run for hours. */
const FOUND_HOLDS_MS = 5_000;
/** One look is kept waiting by a file system that is gone, and not each of them. */
const SILENCE_HOLDS_MS = 60_000;

interface Remembered {
  readonly found: Found;
  readonly until: number;
}

const known = new Map<string, Remembered>();
/** Until when a file system is taken for one that answers, or for one that does not. */
const answering = new Map<string, number>();
const silence = new Map<string, number>();

const holds = (until: number | undefined): boolean => until !== undefined && until > nowMs();

/** What the file system says of each directory, in bounded time. What does not answer is named in `silent`. */
export function findPlaces(directories: readonly string[]): Found[] {
  const mounts = unsureMounts();
  const atOnce = directories.map((directory) => findWithoutWaiting(directory, mounts));
  const waiting = atOnce.filter(({ path, silent }) => isToBeAsked(path, silent, mounts));
  if (waiting.length > 0) ask(waiting);
  return atOnce.map((found) => {
    const asked = found.silent.length > 0 ? known.get(found.path) : undefined;
    return asked && holds(asked.until) ? asked.found : found;
  });
}

function isToBeAsked(path: string, silent: readonly string[], mounts: ReadonlySet<string>): boolean {
  const crossed = silent.filter((at) => mounts.has(at));
  const isSilent = crossed.some((mount) => holds(silence.get(mount)));
  return crossed.length > 0 && !isSilent && !holds(known.get(path)?.until);
}

/** What lies behind the same mounts is answered, or not, by the same servers. */
function ask(waiting: readonly Found[]): void {
  const groups = new Map<string, Found[]>();
  for (const found of waiting) {
    const mounts = found.silent.join('\0');
    groups.set(mounts, [...(groups.get(mounts) ?? []), found]);
  }
  const answers = askDisk([...groups.values()].map((group) => group.map(({ path }) => path)));
  const now = nowMs();
  for (const { path, silent } of waiting) {
    const found = answers.get(path);
    if (found) known.set(path, { found, until: now + FOUND_HOLDS_MS });
    for (const mount of silent) {
      if (found === undefined) silence.set(mount, now + SILENCE_HOLDS_MS);
      else if (found.silent.length === 0) answering.set(mount, now + FOUND_HOLDS_MS);
    }
  }
}

export const placeAt = (directory: string): Found => findPlaces([directory])[0] ?? findWithoutWaiting(directory);

/** What a session or a server works on: the git top level, else the directory itself. */
export function workspaceOf(directory: string): string {
  const { top, real, silent } = placeAt(directory);
  return top ?? (silent.length > 0 ? directory : real);
}

export const isDirectory = (path: string): boolean => placeAt(path).isDirectory;

/** Whether what lies there can be looked at without waiting forever. A file system that has just answered still does. */
export function answers(path: string): boolean {
  const mount = crossingOf(path, unsureMounts())?.mount;
  return mount === undefined || holds(answering.get(mount)) || placeAt(path).silent.length === 0;
}
