import { textAt } from './read.js';

/** No name of a unit is longer. */
const MOST_CHARACTERS = 255;

export function linuxUnit(pid: number): string | undefined {
  const text = textAt(`/proc/${pid}/cgroup`);
  return text === undefined ? undefined : unitFrom(text);
}

/**
 * The innermost service or scope in which a process is, from its control groups: in systemd's own hierarchy, or in the
 * only one there is. A service may have more groups below its own. Empty if there is none.
 */
export function unitFrom(cgroups: string): string {
  const paths = cgroups.split('\n').flatMap((line) => /^\d+:(?:name=systemd)?:(.*)$/.exec(line)?.[1] ?? []);
  const names = paths.flatMap((path) => path.split('/').reverse());
  return names.find((name) => /\.(service|scope)$/.test(name) && name.length <= MOST_CHARACTERS) ?? '';
}
