import { isAbsent } from '../common/errors.js';
import { backUp, backupsOf } from './backups.js';
import { copiesOf, removeBuild } from './copies.js';
import type { Edited } from './edits.js';
import { findOurs, mentions } from './handlers.js';
import { type Change, put, type Refusal, unreadable } from './install.js';
import { isBlank, parseDocument } from './json-edit.js';
import { SCOPES, settingsPath } from './paths.js';
import { forget, remembered } from './remembered.js';
import type { Setting } from './setting.js';
import { readSettings, removeSettings, type SettingsFile } from './settings-file.js';
import { HAD_NOTHING, hadIn, takeOut } from './take-out.js';

/** Removes our hooks from the settings, and the copies once no settings file that we know of calls them. */
export function uninstall(setting: Setting, dryRun: boolean): Change | Refusal {
  const file = readSettings(setting.path);
  if (typeof file === 'string') return unreadable(setting, file);
  const { hook } = setting.build;
  const [before] = backupsOf(setting.state, setting.scope, file).filter((text) => hadIn(text, hook) !== undefined);
  const had = before === undefined ? HAD_NOTHING : (hadIn(before, hook) ?? HAD_NOTHING);
  const taken = takeOut(isBlank(file.text ?? '') ? '{}' : (file.text ?? ''), hook, had);
  if (typeof taken === 'string') return unreadable(setting, taken);
  const isBare = taken.steps.length > 0 && taken.text.trim() === '{}';
  const edited = isBare && before !== undefined && isBlank(before) ? { ...taken, text: before } : taken;
  const backup = dryRun ? undefined : takeAway(edited, file, setting, isBare && before === undefined && !file.isLink);
  if (typeof backup === 'object') return backup;
  const neededBy = stillCalling(setting, file, edited.text);
  const known = remembered(setting.roots).paths;
  // Earlier versions noted nothing, so other users of their copies are unknown: as in those versions, the copies go
  // when the user's own hooks are removed.
  const goes = neededBy.length === 0 && (setting.scope === 'user' || known.length > 0);
  const files = !goes ? [] : dryRun ? copiesOf(setting.build) : removeBuild(setting.build);
  if (!dryRun) for (const path of goes ? known : [setting.path]) forget(setting.roots, path);
  return { kind: 'changed', files, steps: edited.steps, backup, neededBy };
}

/** A file that install created, and that now holds nothing else, is removed altogether if possible. */
function takeAway(edited: Edited, file: SettingsFile, setting: Setting, mayGo: boolean): string | undefined | Refusal {
  if (!mayGo) return put(edited, file, setting);
  const backup = backUp(setting.state, setting.scope, file);
  return removeSettings(file) === undefined ? backup : put(edited, file, setting);
}

/**
 * The settings files that still call the copies, of those that apply to this workspace and those that install has ever
 * written.
 */
function stillCalling({ path, workspace, env, build, roots }: Setting, file: SettingsFile, text: string): string[] {
  const { paths, unread } = remembered(roots);
  const all = new Set([...SCOPES.map((scope) => settingsPath(scope, workspace, env)), ...paths]);
  const callers = [...all].filter((other) => {
    const read = readSettings(other);
    // As this file is now, or would be after a dry run.
    const isThis = other === path || (typeof read === 'object' && read.real === file.real);
    return isThis ? calls(text, build.hook) : typeof read === 'string' ? !isAbsent(read) : calls(read.text, build.hook);
  });
  return [...callers, ...unread];
}

/** Settings that cannot be parsed may call them. */
function calls(text: string | undefined, hook: string): boolean {
  if (text === undefined || isBlank(text)) return false;
  const root = parseDocument(text);
  if (root === undefined) return true;
  return mentions(root.value.json, hook) || findOurs(root, hook).some(({ words }) => words[0] === hook);
}
