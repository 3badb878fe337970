import { type Change, install, type Refusal } from '../../install/install.js';
import { listing } from '../../install/listing.js';
import { runningBuild } from '../../install/paths.js';
import { type Setting, settingFor, type Wanted } from '../../install/setting.js';
import { uninstall } from '../../install/uninstall.js';
import { unwritable } from '../../report/unwritable.js';
import { type Common, complain, pageFor, print, printJson } from '../output.js';

export type InstallOptions = Common & Wanted & { readonly dryRun?: boolean };

/** Puts both hooks into Claude Code's settings. */
export async function installCommand(options: InstallOptions): Promise<number> {
  const setting = settingFor(options, process.env);
  const from = runningBuild();
  if (from) return changed(() => report(install(from, setting, options.dryRun === true), setting, options, true));
  complain('this copy of opencode-reap has no hook.cjs beside it', 'npm run build creates it');
  return 1;
}

/** Removes both hooks from Claude Code's settings. */
export async function uninstallCommand(options: InstallOptions): Promise<number> {
  const setting = settingFor(options, process.env);
  return changed(() => report(uninstall(setting, options.dryRun === true), setting, options, false));
}

/** What it writes lies below the home folder, wherever the state folder is. */
function changed(change: () => number): number {
  try {
    return change();
  } catch (error) {
    const sentence = unwritable(error);
    if (sentence === undefined) throw error;
    complain(sentence, 'make it writable, or set HOME to a folder that is');
    return 1;
  }
}

function report(result: Change | Refusal, setting: Setting, options: InstallOptions, installing: boolean): number {
  if (result.kind === 'refused') {
    complain(result.error, result.hint);
    return 1;
  }
  const dryRun = options.dryRun === true;
  const said = { settings: setting.path, home: pageFor(options).home, installing, dryRun };
  if (options.json) printJson(asJson(result, setting, dryRun));
  else if (!options.quiet) print(listing(result, said));
  return 0;
}

const asJson = ({ files, steps, backup, neededBy }: Change, { scope, path }: Setting, dryRun: boolean) => ({
  dryRun,
  scope,
  settings: path,
  changed: steps.length > 0,
  files,
  backup: backup ?? null,
  neededBy,
});
