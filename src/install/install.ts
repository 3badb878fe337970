import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { backUp, dropBackup } from './backups.js';
import { copiesOf, copyBuild, differing, removeBuild } from './copies.js';
import type { Edited } from './edits.js';
import { isBlank } from './json-edit.js';
import type { Build } from './paths.js';
import { putIn } from './put-in.js';
import { remember, remembered } from './remembered.js';
import type { Setting } from './setting.js';
import { readSettings, type SettingsFile, type Unwritten, writeSettings } from './settings-file.js';

/** What was done, or would be in a dry run. */
export interface Change {
  readonly kind: 'changed';
  /** Copies that were written, or removed. */
  readonly files: readonly string[];
  readonly steps: Edited['steps'];
  readonly backup: string | undefined;
  /** Settings files that still call the copies, which therefore stay. */
  readonly neededBy: readonly string[];
  /** The owner of the settings, if that user cannot read the copies. */
  readonly shutOut?: number | undefined;
}

export interface Refusal {
  readonly kind: 'refused';
  readonly error: string;
  readonly hint: string;
}

export const refused = (error: string, hint: string): Refusal => ({ kind: 'refused', error, hint });

/** Copies the running build to its permanent place, and has Claude Code call it. */
export function install(from: Build, setting: Setting, dryRun: boolean): Change | Refusal {
  const file = readSettings(setting.path);
  if (typeof file === 'string') return unreadable(setting, file);
  const edited = putIn(isBlank(file.text ?? '') ? '{}\n' : (file.text ?? ''), setting.call);
  if (typeof edited === 'string') return unreadable(setting, edited);
  if (dryRun) {
    const files = differing(from, setting.build);
    return { kind: 'changed', files, steps: edited.steps, backup: undefined, neededBy: [] };
  }
  return carryOut(from, edited, file, setting);
}

/**
 * The settings are written last, so that they never call what is not there. If they cannot be written, nothing stays
 * behind, unless other settings call the copies.
 */
function carryOut(from: Build, edited: Edited, file: SettingsFile, setting: Setting): Change | Refusal {
  const before = copiesOf(setting.build);
  const undo = [() => removeNew(setting, before)];
  let isDone = false;
  try {
    const files = copyBuild(from, setting.build);
    undo.push(remember(setting.roots, setting.path));
    const backup = put(edited, file, setting);
    if (typeof backup === 'object') return backup;
    isDone = true;
    return { kind: 'changed', files, steps: edited.steps, backup, neededBy: [], shutOut: shutOut(file, setting) };
  } finally {
    if (!isDone) for (const step of undo) step();
  }
}

function removeNew({ build, roots, path }: Setting, before: readonly string[]): void {
  if (remembered(roots).paths.some((other) => other !== resolve(path))) return;
  removeBuild(
    build,
    copiesOf(build).filter((copy) => !before.includes(copy)),
  );
}

/** Root may write any user's settings, but root's home is closed to other users. */
function shutOut({ stat }: SettingsFile, { build }: Setting): number | undefined {
  if (process.getuid?.() !== 0 || stat === undefined || stat.uid === 0) return undefined;
  return statSync(build.folder).uid === stat.uid ? undefined : stat.uid;
}

/** Writes the settings if they change; returns the path of the backup if there was anything to back up. */
export function put(edited: Edited, file: SettingsFile, setting: Setting): string | undefined | Refusal {
  if (edited.steps.length === 0) return undefined;
  const backup = backUp(setting.state, setting.scope, file);
  const failed = writeSettings(file, edited.text);
  if (failed === undefined) return backup;
  if (failed.kind !== 'torn') dropBackup(backup);
  return unwritable(setting, failed, backup);
}

export const unreadable = ({ path }: Setting, because: string): Refusal =>
  refused(
    `could not change ${path}: ${because}`,
    'fix it first; Claude Code ignores a settings file that is not plain JSON',
  );

const HINTS: Readonly<Record<Unwritten['kind'], (backup: string | undefined) => string>> = {
  failed: () => 'run it again, or make these changes by hand: --dry-run shows them',
  'read-only': () =>
    'if another program writes it (Nix, a dotfiles manager), have that make the changes that --dry-run shows, and run this again',
  torn: (backup) => `it is half written; restore it from ${backup}`,
};

export const unwritable = ({ path }: Setting, { because, kind }: Unwritten, backup: string | undefined): Refusal =>
  refused(`could not write ${path}: ${because}`, HINTS[kind](backup));
