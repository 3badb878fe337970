import { readlinkSync } from 'node:fs';
import { isOfEndedProcess, isSystemError } from '../../common/errors.js';
import type { Environment } from '../../model/process.js';
import { isDirectory } from '../directories.js';
import { environmentFrom } from '../environment.js';
import type { Details, Wanted } from '../platform.js';
import { linuxBirth, linuxInput } from './birth.js';
import { linuxListens } from './listens.js';
import { linkAt, textAt } from './read.js';
import { linuxUnit } from './units.js';

export function linuxDetails({
  environment,
  cwd,
  listens,
  unit,
  elsewhere,
  birth,
  input,
}: Wanted): ReadonlyMap<number, Details> {
  const found = new Map<number, Details>();
  const add = (pids: readonly number[] = [], detailsOf: (pid: number) => Details): void => {
    for (const pid of pids) found.set(pid, { ...found.get(pid), ...detailsOf(pid) });
  };
  add(environment, (pid) => ({ environment: linuxEnvironment(pid) }));
  add(cwd, (pid) => ({ ...cwdOf(pid), isElsewhere: isElsewhere(pid) }));
  add(elsewhere, (pid) => ({ isElsewhere: isElsewhere(pid) }));
  add(listens, (pid) => ({ listens: linuxListens(pid) }));
  add(unit, (pid) => ({ unit: linuxUnit(pid) }));
  add(birth, (pid) => ({ birth: linuxBirth(pid) }));
  add(input, (pid) => ({ input: linuxInput(pid) }));
  return found;
}

/** Only processes of our own user can be read; undefined for all others. */
export function linuxEnvironment(pid: number): Environment | undefined {
  const text = textAt(`/proc/${pid}/environ`);
  return text === undefined ? undefined : environmentFrom(text.split('\0'));
}

const REMOVED = / \(deleted\)$/;

/** So ends what the kernel says of a directory that has been removed since; one may also be called so. */
const asNamed = (cwd: string): string => (REMOVED.test(cwd) && !isDirectory(cwd) ? cwd.replace(REMOVED, '') : cwd);

function cwdOf(pid: number): Details {
  try {
    const cwd = readlinkSync(`/proc/${pid}/cwd`);
    return { cwd: asNamed(cwd), hidesCwd: !cwd.startsWith('/') };
  } catch (error) {
    if (isSystemError(error)) return { hidesCwd: !isOfEndedProcess(error) };
    throw error;
  }
}

const isElsewhere = (pid: number): boolean => differ(spacesOf(pid), spacesOf('self'));

/** Where pids, and where start tokens mean something. */
const spacesOf = (pid: number | 'self') => ['pid', 'time'].map((kind) => linkAt(`/proc/${pid}/ns/${kind}`));

/** What cannot be read of another is not as ours. */
export const differ = (theirs: readonly (string | undefined)[], ours: readonly (string | undefined)[]): boolean =>
  theirs.some((one, at) => one !== ours[at]);
