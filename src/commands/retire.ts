import { startSweep } from '../act/start-sweep.js';
import { parseDuration } from '../decide/duration.js';
import { chosenRoot, stateFolder } from '../state/folders.js';
import { leaveRequest } from '../state/requests.js';

/**
 * What the plugin in a server starts once nothing has happened there for long: it has that one server judged by a run
 * that is none of the server's processes and has none of its secrets. It prints nothing: nobody listens.
 */
export function retireCommand(_id: string, stateDir: string | undefined, program: string): number {
  const { env } = process;
  const folder = stateFolder(chosenRoot(stateDir, env));
  leaveRequest(folder, {
    at: Date.now(),
    event: 'retire',
    since: undefined,
    session: undefined,
    ending: undefined,
    configDir: env.CLAUDE_CONFIG_DIR || undefined,
    dataDir: undefined,
    pluginsDir: env.CLAUDE_CODE_PLUGIN_CACHE_DIR || undefined,
    tmpDir: env.CLAUDE_CODE_TMPDIR || undefined,
    lingerMs: 0,
    olderThanMs: parseDuration(env.OPENCODE_REAP_OLDER_THAN ?? ''),
  });
  // A run that is already there serves the request, and a second one ends at once.
  startSweep(program, folder.root, env);
  return 0;
}
