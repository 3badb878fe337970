import { VERSION } from '../../common/version.js';
import type { Reaped, Scope } from '../../decide/plan.js';
import { workspaceOf } from '../../observe/directories.js';
import { hashedPlaceOf } from '../../observe/hashed-directory.js';
import { reap } from '../../reap.js';
import { closing } from '../../report/closing.js';
import { exitCode } from '../../report/exit.js';
import { jsonReport } from '../../report/json.js';
import { table } from '../../report/table.js';
import { everyGuard } from '../../report/why.js';
import type { RunPolicy } from '../../run/policy.js';
import { inProject, openWorld } from '../../run/world.js';
import { follow, said } from '../course.js';
import { type Common, complainAboutUnread, pageFor, print, printJson } from '../output.js';
import { whyNoScreen } from '../screen.js';

export interface ReapOptions extends Common {
  readonly dryRun?: boolean;
  readonly allStale?: boolean;
  readonly olderThan: number;
  readonly grace: number;
  readonly limit: number;
  readonly port?: number;
  readonly workspace?: string;
  readonly strays?: boolean;
  readonly exitCode?: boolean;
}

export async function reapCommand(options: ReapOptions): Promise<number> {
  const policy = policyFrom(options);
  const opened = await openWorld(options.stateDir, process.env);
  const world = policy.scope.kind === 'all' ? opened : inProject(opened, policy.scope.workspace);
  // Before anything is stopped: the package may be replaced meanwhile.
  const watch = options.dryRun ? undefined : await import('../../session/watch.js');
  const course = follow(world, options);
  const reaped = await reap({ ...policy, told: course.told }, world).finally(course.end);
  await watch?.endWatchIfOver(process.argv[1], world);
  complainAboutUnread(reaped.unread);
  if (options.json) printJson(jsonReport(reaped, VERSION));
  else if (options.quiet) print(reaped.servers.filter(({ outcome }) => outcome?.kind === 'stopped').map(said));
  else {
    const page = pageFor(options);
    print(table(reaped.servers, page));
    print(closing(reaped, page));
    print(everyGuard(reaped.servers, page));
    print(offer(reaped));
  }
  return exitCode(reaped, options.exitCode === true);
}

/** For a person who came to stop something and found nothing stale. */
function offer({ servers, unrecorded }: Reaped): string[] {
  const isStale = servers.some(({ verdict }) => verdict.kind === 'stale');
  const isThere = [...servers, ...unrecorded].some(({ seen }) => seen.located.kind === 'present');
  return isStale || !isThere || whyNoScreen() !== undefined ? [] : ['to choose what to stop: opencode-reap pick'];
}

function policyFrom(options: ReapOptions): RunPolicy {
  return {
    dryRun: options.dryRun === true,
    scope: scopeFrom(options),
    olderThanMs: options.olderThan,
    graceMs: options.grace,
    limit: options.limit,
    endStrays: options.strays === true,
  };
}

function scopeFrom({ allStale, port, workspace }: ReapOptions): Scope {
  if (allStale) return { kind: 'all', port };
  return { kind: 'workspace', workspace: hashedPlaceOf(workspaceOf(workspace ?? process.cwd())), port };
}
