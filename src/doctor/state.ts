import { accessSync, constants, existsSync, type Stats, statSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { tryRead } from '../common/errors.js';
import type { Variables } from '../common/variables.js';
import { trustOf } from '../state/files/trust.js';
import type { StateFolder } from '../state/folders.js';
import { type Finding, fail, ok, warn } from './finding.js';

const ELSEWHERE = 'choose another folder with OPENCODE_REAP_STATE_DIR, or fix it';

/** Whether we can write our state, and no one else can. */
export const stateFindings = (folder: StateFolder, { OPENCODE_REAP_STATE_DIR: named }: Variables): Finding[] => [
  ...folderFindings(folder),
  ...(named && !isAbsolute(named) ? [relative(named)] : []),
];

const relative = (named: string): Finding =>
  warn(
    'state',
    `OPENCODE_REAP_STATE_DIR is ${named}, which is another folder wherever a command or a session runs`,
    'make it an absolute path: records in one of these are not seen from another',
  );

function folderFindings(folder: StateFolder): Finding[] {
  // These three are files.
  const { root, lastUses: _, log: __, notice: ___, ...others } = folder;
  if (!existsSync(root)) return [notThereYet(root)];
  const folders = [root, ...Object.values<string>(others)].filter((path) => existsSync(path));
  const wrong = folders.flatMap((path) => problemWith(path) ?? []);
  return wrong.length > 0 ? wrong : [ok('state', `${root}, private to this user`)];
}

function notThereYet(root: string): Finding {
  const above = existingAbove(root);
  if (!isWritable(above)) return fail('state', `${root} cannot be created: ${above} is not writable`, ELSEWHERE);
  return ok('state', `${root}, not created yet`);
}

function problemWith(path: string): Finding | undefined {
  const stat = tryRead(() => statSync(path));
  if (stat === undefined) return fail('state', `${path} cannot be examined`, ELSEWHERE);
  if (!stat.isDirectory()) return fail('state', `${path} is not a folder`, ELSEWHERE);
  return ownerProblem(path, stat) ?? modeProblem(path, stat);
}

function ownerProblem(path: string, stat: Stats): Finding | undefined {
  const us = process.getuid?.();
  if (us !== undefined && stat.uid !== us) return fail('state', `${path} belongs to user ${stat.uid}`, ELSEWHERE);
  return isWritable(path) ? undefined : fail('state', `${path} is not writable`, ELSEWHERE);
}

function modeProblem(path: string, stat: Stats): Finding | undefined {
  if (process.getuid === undefined) return undefined;
  const mode = (stat.mode & 0o777).toString(8);
  if (trustOf(stat, stat, path).kind !== 'trusted')
    return fail(
      'state',
      `others can write to ${path} (mode ${mode}), so nothing in it is trusted`,
      `chmod 700 ${path}`,
    );
  return stat.mode & 0o077 ? warn('state', `others can access ${path} (mode ${mode})`, `chmod 700 ${path}`) : undefined;
}

const isWritable = (path: string): boolean =>
  tryRead(() => accessSync(path, constants.W_OK | constants.X_OK) ?? true) ?? false;

function existingAbove(path: string): string {
  for (let at = dirname(path); ; at = dirname(at)) if (existsSync(at) || at === dirname(at)) return at;
}
