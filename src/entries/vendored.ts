import { realpathSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startBackground } from '../act/start-background.js';
import { retireCommand } from '../cli/commands/retire.js';
import { watchCommand } from '../cli/commands/watch.js';
import { DEFAULTS, VENDORED_FILES } from '../common/defaults.js';
import { parseDuration } from '../common/duration.js';
import { isSystemError } from '../common/errors.js';
import { openWorld } from '../run/world.js';
import { type BackgroundPolicy, runInBackground } from '../session/background.js';
import { parseHookCall, runHook } from '../session/hook.js';

/*
 * The library, the hooks and their background run in the one file that a plugin copies. When imported it only exports;
 * when run by node under its own name, it acts on `hook`, `sweep`, `watch` and `retire`.
 */

export * from '../index.js';

const [, script, word, ...args] = process.argv;
const here = fileURLToPath(import.meta.url);

/** With these, what follows is not a script's name, even if it is our own file. */
const EVALUATES = /^(-e|-p|-pe|--eval|--print)(=|$)/;

/**
 * Compares what both names resolve to: a plugin's folder may be a symlink. When bundled into another program, this is
 * that program's file, and its arguments are not ours.
 */
function isRun(): boolean {
  if (script === undefined || !VENDORED_FILES.includes(basename(here))) return false;
  if (process.execArgv.some((arg) => EVALUATES.test(arg))) return false;
  try {
    // As the disk writes both: on Windows, the one may be typed in other case.
    return realpathSync.native(script) === realpathSync.native(here);
  } catch (error) {
    // Standard input, or a file that no longer exists.
    if (isSystemError(error)) return false;
    throw error;
  }
}

function stateDir(): string | undefined {
  const at = args.indexOf('--state-dir');
  return at < 0 ? undefined : args[at + 1];
}

function policy(): BackgroundPolicy {
  const { OPENCODE_REAP_OLDER_THAN: age = '', OPENCODE_REAP_GRACE: grace = '' } = process.env;
  const olderThanMs = parseDuration(age) ?? DEFAULTS.olderThanMs;
  return { olderThanMs, graceMs: parseDuration(grace) ?? DEFAULTS.graceMs, limit: DEFAULTS.limit };
}

async function runRequests(): Promise<void> {
  await runInBackground(policy(), await openWorld(stateDir(), process.env, 'background run'), here);
}

async function runWatch(): Promise<void> {
  const root = stateDir();
  const looking = { ...policy(), ...(root === undefined ? {} : { stateDir: root }), stay: args.includes('--stay') };
  process.exitCode = await watchCommand(args[0] ?? '', looking, here);
}

function act(): void {
  if (word === 'hook') {
    const call = parseHookCall(args, process.env, async (stateDir) => startBackground(here, stateDir, process.env));
    runHook(call, (code) => process.exit(code));
  } else if (word === 'sweep') void runRequests();
  else if (word === 'watch') void runWatch();
  else if (word === 'retire') void retireCommand(stateDir(), here);
  else {
    process.stderr.write(
      'error: this file is for plugins: run it with hook session-start or hook session-end, or import it\n',
    );
    process.stderr.write('hint: npx opencode-reap is the program\n');
    process.exitCode = 2;
  }
}

if (isRun()) act();
