import { VERSION } from '../../common/version.js';
import { reap } from '../../reap.js';
import { listClosing } from '../../report/closing.js';
import { jsonReport } from '../../report/json.js';
import { table } from '../../report/table.js';
import { everyGuard } from '../../report/why.js';
import { openWorld } from '../../run/world.js';
import { type Common, complainAboutUnread, pageFor, print, printJson } from '../output.js';

export interface ListOptions extends Common {
  readonly all?: boolean;
  readonly olderThan: number;
}

/** Every known server with its verdict: a dry run over everything. `--all` adds servers that are not recorded. */
export async function listCommand(options: ListOptions): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  const policy = { olderThanMs: options.olderThan, graceMs: 0, limit: 0, endStrays: false };
  const reaped = await reap({ ...policy, dryRun: true, scope: { kind: 'all', port: undefined } }, world);
  complainAboutUnread(reaped.unread);
  if (options.json) printJson(jsonReport(reaped, VERSION));
  else if (!options.quiet) {
    const page = pageFor(options);
    const servers = options.all ? [...reaped.servers, ...reaped.unrecorded] : reaped.servers;
    print([...table(reaped.servers, page), ...everyGuard(servers, page)]);
    print(listClosing(reaped, options.all === true, page));
  }
  return reaped.unread.length > 0 ? 1 : 0;
}
