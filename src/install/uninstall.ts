import { backUp, backupsOf } from './backups.js';
import { copiesOf, removeBuild } from './copies.js';
import type { Edited } from './edits.js';
import { type Change, put, type Refusal, unreadable, unwritable } from './install.js';
import { registeredIn, type Setting } from './setting.js';
import { readSettings, removeSettings, type SettingsFile } from './settings-file.js';
import { HAD_NOTHING, hadIn, takeOut } from './take-out.js';

/** Takes our hooks out of the settings and, for the user, the copies away once no settings file that we see calls them. */
export function uninstall(setting: Setting, dryRun: boolean): Change | Refusal {
  const file = readSettings(setting.path);
  if (typeof file === 'string') return unreadable(setting, file);
  const hads = backupsOf(setting.state, setting.scope, file).flatMap((text) => hadIn(text, setting.build.hook) ?? []);
  const edited = takeOut(file.text ?? '{}', setting.build.hook, hads[0] ?? HAD_NOTHING);
  if (typeof edited === 'string') return unreadable(setting, edited);
  const backup = dryRun ? undefined : takeAway(edited, file, setting, hads.length === 0);
  if (typeof backup === 'object') return backup;
  const neededBy = setting.scope === 'user' ? othersThatCall(setting) : [];
  const goes = setting.scope === 'user' && neededBy.length === 0;
  const files = !goes ? [] : dryRun ? copiesOf(setting.build) : removeBuild(setting.build);
  return { kind: 'changed', files, steps: edited.steps, backup, neededBy };
}

/** A file that install has made, and that holds nothing else by now, goes altogether. */
function takeAway(
  edited: Edited,
  file: SettingsFile,
  setting: Setting,
  wasMade: boolean,
): string | undefined | Refusal {
  const isBare = edited.steps.length > 0 && edited.text.trim() === '{}' && !file.isLink;
  if (!wasMade || !isBare) return put(edited, file, setting);
  const backup = backUp(setting.state, setting.scope, file);
  const failed = removeSettings(file);
  return failed === undefined ? backup : unwritable(setting, failed);
}

/** A file that cannot be read might call them too. */
function othersThatCall({ path, workspace, env, build }: Setting): string[] {
  const others = registeredIn(workspace, env).filter((other) => other.path !== path);
  const callers = others.filter(
    ({ found }) => typeof found === 'string' || found.some(({ words }) => words[0] === build.hook),
  );
  return callers.map((other) => other.path);
}
