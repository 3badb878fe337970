import { backUp } from './backups.js';
import { copyBuild, differing } from './copies.js';
import type { Edited } from './edits.js';
import type { Build } from './places.js';
import { putIn } from './put-in.js';
import type { Setting } from './setting.js';
import { readSettings, type SettingsFile, writeSettings } from './settings-file.js';

/** What was done, or in a dry run would be. */
export interface Change {
  readonly kind: 'changed';
  /** Copies that were written, or taken away. */
  readonly files: readonly string[];
  readonly steps: Edited['steps'];
  readonly backup: string | undefined;
  /** Settings files that call the copies still, for which they stay. */
  readonly neededBy: readonly string[];
}

export interface Refusal {
  readonly kind: 'refused';
  readonly error: string;
  readonly hint: string;
}

export const refused = (error: string, hint: string): Refusal => ({ kind: 'refused', error, hint });

/** Copies the build that runs to where it stays, and has Claude Code call it. */
export function install(from: Build, setting: Setting, dryRun: boolean): Change | Refusal {
  const file = readSettings(setting.path);
  if (typeof file === 'string') return unreadable(setting, file);
  const edited = putIn(file.text ?? '{}\n', setting.call);
  if (typeof edited === 'string') return unreadable(setting, edited);
  const files = dryRun ? differing(from, setting.build) : copyBuild(from, setting.build);
  const backup = dryRun ? undefined : put(edited, file, setting);
  if (typeof backup === 'object') return backup;
  return { kind: 'changed', files, steps: edited.steps, backup, neededBy: [] };
}

/** Writes the settings where they change; the path of the backup, where there was anything to back up. */
export function put(edited: Edited, file: SettingsFile, setting: Setting): string | undefined | Refusal {
  if (edited.steps.length === 0) return undefined;
  const backup = backUp(setting.state, setting.scope, file);
  const failed = writeSettings(file, edited.text);
  return failed === undefined ? backup : unwritable(setting, failed);
}

export const unreadable = ({ path }: Setting, because: string): Refusal =>
  refused(
    `could not change ${path}: ${because}`,
    'mend it first; Claude Code ignores a settings file that is not plain JSON',
  );

export const unwritable = ({ path }: Setting, because: string): Refusal =>
  refused(`could not write ${path}: ${because}`, 'run it again, or make these changes by hand: --dry-run shows them');
